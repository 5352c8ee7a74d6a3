// The kernels with AVX2 and FMA. Only the functions between the KERNELs below are compiled for them: a flag for the
// whole file would let inline functions of headers leak into what other processors run.
#include "model/kernels/kernels.hpp"

namespace troupe::model::kernels {
#if defined(__x86_64__)
namespace {

#define KERNEL __attribute__((target("avx2,fma")))
constexpr int lanes = 8;
constexpr std::size_t rows_max = 6;
constexpr std::size_t conv_rows_max = 4;
constexpr int conv_vectors = 3;
#include "model/kernels/kernels.inl"
#undef KERNEL

constexpr table here = kernels_of("AVX2");

} // namespace

const table* avx2() {
  static const bool there = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return there ? &here : nullptr;
}
#else
const table* avx2() { return nullptr; }
#endif

} // namespace troupe::model::kernels
