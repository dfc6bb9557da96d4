//! Every kernel, one folder each, and the slice that registers them.
//!
//! A kernel's folder holds its contract (`mod.rs`), its truth (`reference.rs`), its evidence (`cases.rs`), its native path (`cpu.rs`)
//! and its GPU body (`gpu.rs`, `gpu.metal`). Folder, public function, registry name and command-line name are the same word.

pub mod attention;
pub mod cache;
pub mod conv;
pub mod elementwise;
pub mod extended;
mod formats;
pub mod gather;
pub mod gemm;
pub mod gram_schmidt;
pub mod linalg;
pub mod mlstm;
pub mod norm;
pub mod pack;
pub mod reduce;
pub mod sample;
pub mod search;
pub mod slstm;

mod arguments;
mod host;
mod machine;
#[cfg(test)]
mod nvrtc;
mod parallel;
mod prefetch;

use tilewright_core::Kernel;

/// Every kernel, by family. Tests, benches, the command line and the documents' tables read this slice.
pub static KERNELS: &[&dyn Kernel] = &[
    attention::attention::KERNEL,
    attention::attention_decode::KERNEL,
    cache::kv_append::KERNEL,
    cache::kv_append_quantized::KERNEL,
    cache::kv_gather::KERNEL,
    cache::kv_gather_quantized::KERNEL,
    cache::mla_append::KERNEL,
    cache::mla_append_quantized::KERNEL,
    conv::causal_conv::KERNEL,
    conv::causal_conv_bw::KERNEL,
    elementwise::adamw::KERNEL,
    elementwise::axpy::KERNEL,
    elementwise::copy::KERNEL,
    elementwise::glu::KERNEL,
    elementwise::glu_bw::KERNEL,
    elementwise::soft_cap::KERNEL,
    elementwise::soft_cap_bw::KERNEL,
    extended::extended_axpy::KERNEL,
    extended::extended_dot::KERNEL,
    extended::extended_matmul::KERNEL,
    extended::extended_sum::KERNEL,
    gather::embedding::KERNEL,
    gather::embedding_bw::KERNEL,
    gemm::gemv::KERNEL,
    gemm::gemv_fused::KERNEL,
    gemm::gram::KERNEL,
    gemm::matmul::KERNEL,
    gram_schmidt::deflate::KERNEL,
    gram_schmidt::orthonormalize::KERNEL,
    gram_schmidt::project::KERNEL,
    gram_schmidt::subspace_step::KERNEL,
    linalg::apply_q::KERNEL,
    linalg::cholesky::KERNEL,
    linalg::cholesky_bw::KERNEL,
    linalg::cholesky_inverse::KERNEL,
    linalg::cholesky_solve::KERNEL,
    linalg::complete_basis::KERNEL,
    linalg::cond::KERNEL,
    linalg::det::KERNEL,
    linalg::diag::KERNEL,
    linalg::diagonal::KERNEL,
    linalg::eig::KERNEL,
    linalg::eigh::KERNEL,
    linalg::eigh_bw::KERNEL,
    linalg::eigh_generalized::KERNEL,
    linalg::expm::KERNEL,
    linalg::inverse::KERNEL,
    linalg::inverse_bw::KERNEL,
    linalg::is_spd::KERNEL,
    linalg::lstsq::KERNEL,
    linalg::lu::KERNEL,
    linalg::matrix_power::KERNEL,
    linalg::matrix_rank::KERNEL,
    linalg::norm::KERNEL,
    linalg::norm_bw::KERNEL,
    linalg::orthogonal::KERNEL,
    linalg::orthogonalize::KERNEL,
    linalg::pinv::KERNEL,
    linalg::polar::KERNEL,
    linalg::polar_bw::KERNEL,
    linalg::qr::KERNEL,
    linalg::qr_bw::KERNEL,
    linalg::qr_pivoted::KERNEL,
    linalg::qr_reflectors::KERNEL,
    linalg::randomized_svd::KERNEL,
    linalg::rcond::KERNEL,
    linalg::slogdet::KERNEL,
    linalg::slogdet_bw::KERNEL,
    linalg::solve::KERNEL,
    linalg::solve_bw::KERNEL,
    linalg::solve_refined::KERNEL,
    linalg::subspace_iteration::KERNEL,
    linalg::svd::KERNEL,
    linalg::svd_bw::KERNEL,
    linalg::triangular_inverse::KERNEL,
    linalg::triangular_solve::KERNEL,
    linalg::triangular_solve_bw::KERNEL,
    linalg::tril::KERNEL,
    linalg::triu::KERNEL,
    mlstm::mlstm_bw_gates::KERNEL,
    mlstm::mlstm_bw_k::KERNEL,
    mlstm::mlstm_bw_q::KERNEL,
    mlstm::mlstm_bw_states::KERNEL,
    mlstm::mlstm_bw_v::KERNEL,
    mlstm::mlstm_chunkwise::KERNEL,
    mlstm::mlstm_chunkwise_bw::KERNEL,
    mlstm::mlstm_outputs::KERNEL,
    mlstm::mlstm_parallel::KERNEL,
    mlstm::mlstm_parallel_bw::KERNEL,
    mlstm::mlstm_sequence::KERNEL,
    mlstm::mlstm_states::KERNEL,
    mlstm::mlstm_step::KERNEL,
    norm::multi_head_layer_norm::KERNEL,
    norm::multi_head_layer_norm_bw::KERNEL,
    norm::rms_norm::KERNEL,
    norm::rms_norm_bw::KERNEL,
    pack::dequantize::KERNEL,
    pack::pack::KERNEL,
    pack::quantize::KERNEL,
    pack::requantize::KERNEL,
    pack::unpack::KERNEL,
    reduce::argmax::KERNEL,
    reduce::cross_entropy::KERNEL,
    reduce::cross_entropy_bw::KERNEL,
    reduce::logsumexp::KERNEL,
    reduce::max::KERNEL,
    reduce::scan::KERNEL,
    reduce::softmax::KERNEL,
    reduce::sum::KERNEL,
    reduce::top_k::KERNEL,
    sample::beam_top_k::KERNEL,
    sample::categorical::KERNEL,
    sample::dry::KERNEL,
    sample::penalize::KERNEL,
    sample::renormalize::KERNEL,
    sample::sample::KERNEL,
    sample::speculative_accept::KERNEL,
    search::flat_scan_topk::KERNEL,
    search::hamming_scan_topk::KERNEL,
    search::ivf_scan_topk::KERNEL,
    search::kmeans::KERNEL,
    search::pq_encode::KERNEL,
    search::pq_lut::KERNEL,
    search::pq_scan::KERNEL,
    search::pq_train::KERNEL,
    search::rabitq_encode::KERNEL,
    search::rerank::KERNEL,
    search::sq_encode::KERNEL,
    search::sq_scan::KERNEL,
    search::sq_train::KERNEL,
    search::topk_merge::KERNEL,
    slstm::slstm_sequence::KERNEL,
    slstm::slstm_sequence_bw::KERNEL,
    slstm::slstm_step::KERNEL,
];

/// The kernel of this name.
pub fn kernel(name: &str) -> Option<&'static dyn Kernel> {
    KERNELS.iter().copied().find(|kernel| kernel.spec().name == name)
}
