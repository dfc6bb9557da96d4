"""faiss as a peer: its indexes, what they are made of, and the heaps that searches keep their results in."""

import numpy
from protocol import Library, serve


def make():
    import faiss

    def top_k(k=1, axis=-1, largest=True, index="u32"):
        def run(x):
            if x.ndim != 2 or x.dtype != numpy.float32 or not x.flags.c_contiguous:
                return None
            rows, n = x.shape
            values, positions = numpy.empty((rows, k), numpy.float32), numpy.empty((rows, k), numpy.int64)
            heaps = faiss.float_minheap_array_t()
            heaps.nh, heaps.k = rows, k
            heaps.val, heaps.ids = faiss.swig_ptr(values), faiss.swig_ptr(positions)
            heaps.heapify()
            heaps.addn(n, faiss.swig_ptr(x))
            heaps.reorder()
            return values, positions

        return run if axis == -1 and largest and k >= 1 else None

    metrics = {"l2": faiss.METRIC_L2, "ip": faiss.METRIC_INNER_PRODUCT}

    def ours(metric, distances, ids):
        return (distances, ids) if metric == "l2" else (-distances, ids)

    def flat_scan_topk(k=1, metric="l2"):
        def run(queries, data):
            if queries.dtype != numpy.float32:
                return None
            return ours(metric, *faiss.knn(queries, data, k, metrics[metric]))

        return run if metric in metrics and k >= 1 else None

    def ivf_scan_topk(k=1, metric="l2"):
        # The lists are faiss's own once made, at the first call for these arrays, which is not timed.
        made = {}

        def lists(data, offsets):
            if data.ctypes.data not in made:
                n, d = data.shape
                index = faiss.IndexIVFFlat(faiss.IndexFlat(d, metrics[metric]), d, len(offsets) - 1, metrics[metric])
                index.is_trained = True
                ids = numpy.arange(n, dtype=numpy.int64)
                for at, (start, end) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist())):
                    if end > start:
                        codes = numpy.ascontiguousarray(data[start:end]).view(numpy.uint8)
                        index.invlists.add_entries(at, end - start, faiss.swig_ptr(ids[start:end]), faiss.swig_ptr(codes))
                index.ntotal = n
                made[data.ctypes.data] = index
            return made[data.ctypes.data]

        def run(queries, data, offsets, probes):
            if queries.dtype != numpy.float32:
                return None
            index = lists(data, offsets)
            index.nprobe = probes.shape[1]
            zeros = numpy.zeros(probes.shape, numpy.float32)
            return ours(metric, *index.search_preassigned(queries, k, probes, zeros))

        return run if metric in metrics and k >= 1 else None

    def kmeans(k=1, iterations=10, **others):
        def trained(x, initial, rounds):
            clustering, index = faiss.Clustering(x.shape[1], k), faiss.IndexFlatL2(x.shape[1])
            # By itself it stops as soon as an iteration gains nothing.
            clustering.niter, clustering.early_stop_threshold = rounds, -1.0
            clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, len(x)
            faiss.copy_array_to_vector(numpy.ascontiguousarray(initial).ravel(), clustering.centroids)
            if rounds > 0:
                clustering.train(x, index)
            return faiss.vector_float_to_array(clustering.centroids).reshape(k, -1).copy()

        def run(x, initial):
            if x.dtype != numpy.float32:
                return None

            # Faiss keeps the labels of its last iteration to itself: they are found once more, for the judge alone.
            def labels():
                index = faiss.IndexFlatL2(x.shape[1])
                index.add(trained(x, initial, iterations - 1))
                return index.search(x, 1)[1][:, 0]

            return trained(x, initial, iterations), labels

        return None if others else run

    coded = {}

    def sq_scan(k=1, metric="l2", bits=8):
        types = {8: faiss.ScalarQuantizer.QT_8bit, 6: faiss.ScalarQuantizer.QT_6bit, 4: faiss.ScalarQuantizer.QT_4bit}

        def lists(d, codes, ranges, offsets, centroids):
            if codes.ctypes.data not in coded:
                nlist = len(offsets) - 1
                quantizer = faiss.IndexFlatL2(d)
                quantizer.add(numpy.zeros((nlist, d), numpy.float32) if centroids is None else centroids)
                residual = centroids is not None
                index = faiss.IndexIVFScalarQuantizer(quantizer, d, nlist, types[bits], faiss.METRIC_L2, residual)
                faiss.copy_array_to_vector(numpy.ascontiguousarray(ranges).ravel(), index.sq.trained)
                index.is_trained, index.ntotal = True, len(codes)
                for number, (begin, end) in enumerate(zip(offsets.tolist(), offsets.tolist()[1:])):
                    ids, own = numpy.arange(begin, end), numpy.ascontiguousarray(codes[begin:end])
                    if begin < end:
                        index.invlists.add_entries(number, end - begin, faiss.swig_ptr(ids), faiss.swig_ptr(own))
                coded[codes.ctypes.data] = index, quantizer
            return coded[codes.ctypes.data][0]

        def run(queries, codes, ranges, offsets, probes, centroids=None):
            index = lists(queries.shape[1], codes, ranges, offsets, centroids)
            index.nprobe = probes.shape[1]
            return index.search_preassigned(queries, k, probes, numpy.zeros(probes.shape, numpy.float32))

        return run if metric == "l2" and k >= 1 else None

    def hamming_scan_topk(k=1):
        def run(queries, data):
            if data.ctypes.data not in coded:
                index = faiss.IndexBinaryFlat(8 * data.shape[1])
                index.add(data)
                coded[data.ctypes.data] = index, None
            distances, ids = coded[data.ctypes.data][0].search(queries, k)
            return distances.astype(numpy.float32), ids

        return run if k >= 1 else None

    class Index:
        """An index by faiss's own factory, with its own defaults for training."""

        def __init__(self, recipe, d, k, refine):
            try:
                self.index = faiss.index_factory(d, recipe)
            except RuntimeError as why:
                # The reason comes after the place in faiss's sources.
                raise ValueError(f"has no {recipe}: {str(why).rsplit(': ', 1)[-1]}") from None
            self.k = k
            self.lists = faiss.try_extract_index_ivf(self.index)
            if recipe.endswith(",RFlat"):
                faiss.ParameterSpace().set_index_parameter(self.index, "k_factor_rf", refine)

        def train(self, x):
            self.index.train(x)

        def add(self, x):
            self.index.add(x)

        def aim(self, nprobe):
            if self.lists is not None:
                self.lists.nprobe = nprobe

        def search(self, queries):
            return self.index.search(queries, self.k)

    class Faiss(Library):
        name = f"faiss {faiss.__version__}"
        kernels = {
            "top_k": top_k,
            "flat_scan_topk": flat_scan_topk,
            "ivf_scan_topk": ivf_scan_topk,
            "kmeans": kmeans,
            "sq_scan": sq_scan,
            "hamming_scan_topk": hamming_scan_topk,
        }

        def load(self, array, dtype, device):
            return None if dtype == "bf16" else array

        def copy(self, array):
            return array.copy(order="K")

        def store(self, array):
            return numpy.asarray(array() if callable(array) else array), None

        def index(self, recipe, d, k, refine):
            return Index(recipe, d, k, refine)

        def release(self):
            # The next case's arrays may lie where these did.
            coded.clear()

    return Faiss()


serve(make)
