// MatMul and Gemm. A row's vectors times a float matrix of the file is `affine`, for the kernels; everything else (two
// values of the row, doubles, integers) is Eigen's.
#include <algorithm>

#include <fmt/format.h>

#include "model/operators/affine.hpp"
#include "model/operators/cell_walk.hpp"

namespace troupe::model {
namespace {

// Matrices of two tensors, pair by pair.
template <class T> class products final : public operation {
public:
  struct plan {
    std::size_t m = 1, k = 1, n = 1;
    std::vector<std::uint32_t> left, right; // where each pair's matrices begin
  };
  products(plan how, std::vector<source<T>> from)
      : plan_(std::move(how))
      , from_(std::move(from)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    for (std::size_t i = 0; i < out[0].rows; ++i) {
      T* to = out[0].row<T>(i);
      for (std::size_t pair = 0; pair < plan_.left.size(); ++pair, to += plan_.m * plan_.n)
        multiply(from_[0].at(in, i) + plan_.left[pair], from_[1].at(in, i) + plan_.right[pair], to);
    }
  }

private:
  void multiply(const T* left, const T* right, T* to) const {
    using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto m = static_cast<Eigen::Index>(plan_.m);
    const auto k = static_cast<Eigen::Index>(plan_.k);
    const auto n = static_cast<Eigen::Index>(plan_.n);
    // Coefficient by coefficient: a blocked product would allocate.
    Eigen::Map<matrix>(to, m, n).noalias() =
        Eigen::Map<const matrix>(left, m, k).lazyProduct(Eigen::Map<const matrix>(right, k, n));
  }
  plan plan_;
  std::vector<source<T>> from_;
};

// A vector on either side is a matrix of one row or column, which the result loses again.
struct matrices {
  broadcast batch; // what is before the matrices
  std::size_t m = 1, k = 1, n = 1;
  shape dims;
};

// The dimensions with which an input takes part: those of a value of the row are behind the batch, so its matrices are
// there too.
result<matrices> match(const attribute_reader& node, const operand& left, const operand& right) {
  operand l = left, r = right;
  const bool left_vector = !of_the_row(l) && l.dims.size() == 1;
  const bool right_vector = !of_the_row(r) && r.dims.size() == 1;
  if (left_vector) l.dims.insert(l.dims.begin(), 1);
  if (right_vector) r.dims.push_back(1);
  // [N, k] has the batch as the rows of its matrix: each row is a matrix of one.
  const bool left_row = of_the_row(l) && l.dims.size() == 1;
  if (left_row) l.dims.insert(l.dims.begin(), 1);
  if (l.dims.size() < 2 || r.dims.size() < 2)
    return node.unsupported("its inputs are no matrices whose sums stay within a row");
  if (left_row && (of_the_row(r) || r.dims.size() > 2))
    return node.unsupported("the batch of its first input would meet another dimension");
  matrices out;
  const auto at = [](const operand& of, std::size_t from_end) { return of.dims[of.dims.size() - from_end]; };
  if (at(l, 1) != at(r, 2)) return node.wrong(fmt::format("it multiplies {} columns by {} rows", at(l, 1), at(r, 2)));
  out.m = static_cast<std::size_t>(at(l, 2));
  out.k = static_cast<std::size_t>(at(l, 1));
  out.n = static_cast<std::size_t>(at(r, 1));
  const std::array<std::int64_t, 2> result_dims{at(l, 2), at(r, 1)};
  // Counted from the end, a constant's matrices take two dimensions of the value's.
  l.dims.resize(l.dims.size() - 2);
  r.dims.resize(r.dims.size() - 2);
  auto batch = broadcast_of(node, l, r);
  if (!batch) return tl::make_unexpected(batch.error());
  out.batch = std::move(*batch);
  out.dims = out.batch.dims;
  if (!left_vector && !left_row) out.dims.push_back(result_dims[0]);
  if (!right_vector) out.dims.push_back(result_dims[1]);
  const auto width = checked_width(node, out.dims, of_the_row(left) || of_the_row(right));
  if (!width) return tl::make_unexpected(width.error());
  if (*width != 0 && out.k > row_work_max / *width) return node.wrong("it takes too many multiplications");
  return out;
}

std::vector<std::uint32_t> begins(const shape& dims, const shape& all, std::size_t matrix) {
  auto cells = cells_at(all, broadcast_strides(dims, all));
  for (std::uint32_t& cell : cells) cell = static_cast<std::uint32_t>(cell * matrix);
  return cells;
}

// Whether it is vectors of the row by one float matrix of the file.
bool is_affine(const matrices& how, const operand& left, const operand& right) {
  return of_the_row(left) && !of_the_row(right) && left.type == element::f32 && how.k > 0 && how.n > 0 &&
         right.width() == how.k * how.n;
}

result<built_node> multiply(const attribute_reader& node, const operand& left, const operand& right) {
  if (left.type != right.type || left.type == element::boolean)
    return node.wrong(fmt::format("its inputs have the types {} and {}", to_string(left.type), to_string(right.type)));
  const auto how = match(node, left, right);
  if (!how) return tl::make_unexpected(how.error());
  const std::array both{left, right};
  if (is_affine(*how, left, right)) {
    if (auto ok = node.charge(how->k * kernels::padded(how->n) * sizeof(float)); !ok)
      return tl::make_unexpected(ok.error());
    const auto& weights = std::get<std::vector<float>>(right.fixed->data);
    auto op = std::make_unique<affine>(weights.data(), how->k, how->n, how->n, 1, std::vector<float>{},
                                       left.width() / how->k);
    return deliver(node, std::move(op), both, plain(left.type, how->dims));
  }
  auto op = with_number_type(left.type, [&](auto number) -> std::unique_ptr<operation> {
    using type = decltype(number);
    if constexpr (std::is_same_v<type, std::uint8_t>)
      return nullptr; // refused above
    else
      return std::make_unique<products<type>>(
          typename products<type>::plan{how->m, how->k, how->n,
                                        begins(how->batch.left, how->batch.dims, how->m * how->k),
                                        begins(how->batch.right, how->batch.dims, how->k * how->n)},
          sources_of<type>(both));
  });
  return deliver(node, std::move(op), both, plain(left.type, how->dims));
}

// ---- Gemm ----

struct gemm_attributes {
  float alpha = 1, beta = 1;
  bool transpose_a = false, transpose_b = false;
};

result<gemm_attributes> read_gemm(attribute_reader& node) {
  const auto alpha = node.number("alpha", 1);
  if (!alpha) return tl::make_unexpected(alpha.error());
  const auto beta = node.number("beta", 1);
  if (!beta) return tl::make_unexpected(beta.error());
  const auto a = node.flag("transA");
  if (!a) return tl::make_unexpected(a.error());
  const auto b = node.flag("transB");
  if (!b) return tl::make_unexpected(b.error());
  return gemm_attributes{*alpha, *beta, *a, *b};
}

// C as one number a column; the batch can't have different ones.
template <class T>
result<std::vector<T>> read_bias(const attribute_reader& node, const operand& c, element type, std::size_t columns,
                                 T beta) {
  if (of_the_row(c)) return node.unsupported("its input C is computed from the row, only a constant is supported");
  if (c.type != type) return node.wrong(fmt::format("its input C has the type {}", to_string(c.type)));
  const std::size_t width = c.width();
  const bool one_row = c.dims.size() <= 1 || (c.dims.size() == 2 && c.dims[0] == 1);
  if (!one_row || (width != 1 && width != columns))
    return node.wrong(fmt::format("its input C does not fit a row of {} columns", columns));
  std::vector<T> bias = std::get<std::vector<T>>(c.fixed->data);
  for (T& value : bias) value *= beta;
  bias.resize(columns, bias[0]);
  return bias;
}

template <class T> class gemm_step final : public operation {
public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  gemm_step(matrix weights, std::vector<T> bias)
      : weights_(std::move(weights))
      , bias_(std::move(bias)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    auto to = out[0].matrix<T>();
    to.noalias() = in[0].matrix<T>().lazyProduct(weights_);
    if (!bias_.empty())
      to.rowwise() += Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(bias_.data(), weights_.cols());
  }

private:
  matrix weights_;
  std::vector<T> bias_;
};

template <class T>
result<built_node> gemm_of(const attribute_reader& node, const operand& a, const operand& b, const operand* c,
                           const gemm_attributes& how) {
  if (a.dims.size() != 1 || b.dims.size() != 2) return node.wrong("its inputs are no matrices");
  const std::int64_t k = b.dims[how.transpose_b ? 1 : 0];
  const std::int64_t n = b.dims[how.transpose_b ? 0 : 1];
  if (k != a.dims[0] || n < 1)
    return node.wrong(fmt::format("it multiplies {} columns by a matrix of {} x {}", a.dims[0], k, n));
  if (const auto width = checked_width(node, {n}, true); !width) return tl::make_unexpected(width.error());
  std::vector<T> bias;
  if (c != nullptr) {
    auto read = read_bias<T>(node, *c, a.type, static_cast<std::size_t>(n), static_cast<T>(how.beta));
    if (!read) return tl::make_unexpected(read.error());
    bias = std::move(*read);
  }
  std::vector<T> weights = std::get<std::vector<T>>(b.fixed->data);
  for (T& weight : weights) weight *= static_cast<T>(how.alpha);
  const auto inputs = static_cast<std::size_t>(k);
  const auto outputs = static_cast<std::size_t>(n);
  const std::size_t row_step = how.transpose_b ? 1 : outputs;
  const std::size_t column_step = how.transpose_b ? inputs : 1;
  std::unique_ptr<operation> op;
  if constexpr (std::is_same_v<T, float>) {
    if (auto ok = node.charge(inputs * kernels::padded(outputs) * sizeof(float)); !ok)
      return tl::make_unexpected(ok.error());
    op = std::make_unique<affine>(weights.data(), inputs, outputs, row_step, column_step, std::move(bias), 1);
  } else {
    typename gemm_step<T>::matrix matrix(k, n);
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t o = 0; o < outputs; ++o)
        matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(o)) = weights[i * row_step + o * column_step];
    op = std::make_unique<gemm_step<T>>(std::move(matrix), std::move(bias));
  }
  return deliver(node, std::move(op), {&a, 1}, plain(a.type, {n}));
}

} // namespace

result<built_node> build_matmul(attribute_reader& node, node_inputs inputs) {
  const auto left = number_operand(node, inputs, 0);
  if (!left) return tl::make_unexpected(left.error());
  const auto right = number_operand(node, inputs, 1);
  if (!right) return tl::make_unexpected(right.error());
  return multiply(node, *left, *right);
}

result<built_node> build_gemm(attribute_reader& node, node_inputs inputs) {
  const auto how = read_gemm(node);
  if (!how) return tl::make_unexpected(how.error());
  const auto a = real_operand(node, inputs, 0);
  if (!a) return tl::make_unexpected(a.error());
  const auto b = real_operand(node, inputs, 1);
  if (!b) return tl::make_unexpected(b.error());
  std::optional<operand> c;
  if (inputs.size() > 2 && !inputs[2].absent()) {
    auto read = real_operand(node, inputs, 2);
    if (!read) return tl::make_unexpected(read.error());
    c = std::move(*read);
  }
  if (!of_the_row(*a) || of_the_row(*b)) return node.unsupported("expected a value of the row times a constant");
  if (how->transpose_a) return node.unsupported("transA moves the batch: rows are independent of each other");
  if (a->type != b->type) return node.wrong("its inputs differ in their type");
  const operand* bias = c ? &*c : nullptr;
  return a->type == element::f32 ? gemm_of<float>(node, *a, *b, bias, *how) : gemm_of<double>(node, *a, *b, bias, *how);
}

} // namespace troupe::model
