// One thread: x [4] float = 1..4; out [16 * 4] float: one vector of up to four after another, the rest of
// each four zero.
float4 v(x[0], x[1], x[2], x[3]);
for (int i = 0; i < 64; ++i) out[i] = 0;
device float4* o = (device float4*)out;
o[0] = v.wzyx;
o[1] = float4(v.xy, v.zw);
o[2] = float4(float3(v.yyy).x, v.xxz[2], v.zw);
o[3] = float4(v.rgb, v.a);
o[4].xy = v.zw;
o[5].zw = v.xy + v.zw;
o[6] = v;
o[6].xyz *= 2.0f;
o[7] = v;
o[7].xy = o[7].yx;
o[8] = float4(v.yzw * v.xyz, dot(v.xy, v.zw));
float3 t = v.zyx;
t.yz = v.xw;
o[9].xyz = t;
o[10] = float4(float2(int2(v.wz)), half2(v.xy).y, uint3(v.xyz).z);
half4 h = half4(v);
h.xz = h.zx;
o[11] = float4(h);
o[12] = float4(length(v.xy - v.xy), max(v.xz, v.yw), any(v.xy > v.zw) ? 1.0f : 0.0f);
o[13] = v.xxyy + v.zwzw;
