// The kernels of support vector machines. Included by kernels.inl only, whose vectors and curves they use.

template <similarity how> INLINE_KERNEL floats similar(floats x, const machine& job) {
  if constexpr (how == similarity::rbf) return decay(x * -job.gamma);
  const floats line = x * job.gamma + job.coef0;
  if constexpr (how == similarity::sigmoid) return hyperbolic_tangent(line);
  if constexpr (how == similarity::square) return line * line;
  if constexpr (how == similarity::cube) return line * line * line;
  return line;
}

// The lanes are support vectors, so the order of each sum is that of a plain loop; a block has enough of them that no
// addition waits for the one before it.
template <similarity how> INLINE_KERNEL void compare_block(const machine& job, const float* row, const float* vectors,
                                                           float* to) {
  constexpr int packets = vector_block / lanes;
  floats sums[packets];
#pragma GCC unroll 8
  for (int p = 0; p < packets; ++p) sums[p] = floats{};
  const std::size_t width = job.width;
  for (std::size_t feature = 0; feature < width; ++feature, vectors += vector_block) {
    const floats cell = floats{} + row[feature];
#pragma GCC unroll 8
    for (int p = 0; p < packets; ++p) {
      const floats of_vectors = load(vectors + p * lanes);
      const floats difference = cell - of_vectors;
      sums[p] += how == similarity::rbf ? difference * difference : cell * of_vectors;
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < packets; ++p) store(to + p * lanes, similar<how>(sums[p], job));
}

template <similarity how> KERNEL void compare_as(const machine& job) {
  for (std::size_t block = 0; block < job.blocks; ++block)
    for (std::size_t row = 0; row < job.row_count; ++row)
      compare_block<how>(job, job.rows + row * job.row_stride, job.vectors + block * job.width * vector_block,
                         job.to + (row * job.blocks + block) * vector_block);
}

KERNEL void compare(const machine& job) {
  switch (job.how) {
  case similarity::line:
    return compare_as<similarity::line>(job);
  case similarity::square:
    return compare_as<similarity::square>(job);
  case similarity::cube:
    return compare_as<similarity::cube>(job);
  case similarity::sigmoid:
    return compare_as<similarity::sigmoid>(job);
  case similarity::rbf:
    return compare_as<similarity::rbf>(job);
  }
}

INLINE_KERNEL double weighted_sum(const float* numbers, const double* weights, std::size_t count) {
  using half_floats = float __attribute__((vector_size(double_lanes * 4), aligned(4), may_alias));
  constexpr std::size_t phases = 2; // so that one addition need not wait for the one before
  doubles sums[phases] = {};
  std::size_t i = 0;
  for (; i + phases * double_lanes <= count; i += phases * double_lanes)
#pragma GCC unroll 2
    for (std::size_t p = 0; p < phases; ++p)
      sums[p] += __builtin_convertvector(*reinterpret_cast<const half_floats*>(numbers + i + p * double_lanes), doubles) *
                 *reinterpret_cast<const doubles*>(weights + i + p * double_lanes);
  const doubles both = sums[0] + sums[1];
  double sum = 0;
#pragma GCC unroll 4
  for (int k = 0; k < double_lanes; ++k) sum += both[k];
  for (; i < count; ++i) sum += static_cast<double>(numbers[i]) * weights[i];
  return sum;
}

KERNEL void weigh(const weighing& job) {
  for (std::size_t part = 0; part < job.parts; ++part) {
    const std::size_t begin = job.starts[part];
    for (std::size_t list = 0; list < job.lists; ++list)
      job.to[part * job.lists + list] =
          weighted_sum(job.numbers + begin, job.weights + list * job.count + begin, job.starts[part + 1] - begin);
  }
}
