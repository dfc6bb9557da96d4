// One group for 128 MT values of a sequence, or of a segment of it: without READ the state that the segment adds, otherwise what its queries read.
const unsigned slice = threadgroup_position_in_grid.x % slices, segment = threadgroup_position_in_grid.x / slices % segments;
const long head = threadgroup_position_in_grid.x / (slices * segments), part = head * segments + segment;
const long first = long(segment) * span, row = head * s + first;
const bool ends = READ && segment + 1 == segments;

// In shared memory, since registers are for C.
__shared__ Sequence sequence;
if (threadIdx.x == 0) {
    // Rows of a head follow one another, or those of all heads of a token do.
    const long token = (head / heads * s + first) * heads + head % heads;
    sequence.q = (const unsigned short*)q + (q_by_token ? token : row) * dk;
    sequence.k = (const unsigned short*)k + (k_by_token ? token : row) * dk;
    sequence.v = (const unsigned short*)v + (v_by_token ? token : row) * dv;
    sequence.o = (const unsigned short*)o + (o_by_token ? token : row) * dv;
    sequence.q_step = int(q_by_token ? heads * dk : dk);
    sequence.k_step = int(k_by_token ? heads * dk : dk);
    sequence.v_step = int(v_by_token ? heads * dv : dv);
    sequence.o_step = int(o_by_token ? heads * dv : dv);
    sequence.c = (const float2*)c + row;
    sequence.mu = (const float2*)mu + row + head;
    sequence.m = m + row;
    sequence.c_first = resume ? c_first + part * dk * dv : nullptr;
    sequence.n_first = resume ? n_first + part * dk : nullptr;
    sequence.h = (unsigned short*)h + (v_by_token ? token : row) * dv;
    sequence.c_last = !READ ? c_last + part * dk * dv : ends ? c_last + head * dk * dv : nullptr;
    sequence.n_last = !READ ? n_last + part * dk : n_last + head * dk;
    sequence.tokens = int(min(long(span), long(s) - first));
    sequence.dk = int(dk);
    sequence.dv = int(dv);
    sequence.left = int(slice * (128 * MT));
    sequence.scale = scale;
}
__syncthreads();
const Cell cell = {sigmoid_gate, normalize, eps, cap};
walk<DK, MT, READ, GATED>(sequence, cell, memory);
