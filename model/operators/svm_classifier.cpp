// SVMClassifier as onnxruntime computes it. With support vectors the pairs of classes vote for the label, and the
// numbers are the pairs' decisions, or with prob_a and prob_b probabilities coupled from them. Two classes without
// probabilities have two numbers: {-s, s}; {1-p, p} of the logistic p of s with LOGISTIC; {1-s, s} with the transforms
// that are not applied. Without support vectors it is a linear model: a score a class, of which the largest wins.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "model/operators/post_transform.hpp"
#include "model/operators/svm.hpp"

namespace troupe::model {
namespace {

struct svm_setup {
  std::size_t classes = 0;
  bool votes = false;                     ///< there are support vectors
  bool all_positive = false;              ///< coefficients
  std::vector<double> slopes, intercepts; ///< prob_a, prob_b; empty: no probabilities
  post_transform post = post_transform::none;

  bool probabilities() const { return votes && !slopes.empty(); }
  std::size_t pairs() const { return classes * (classes - 1) / 2; }
  /// Numbers a row.
  std::size_t width() const { return votes && !probabilities() && classes > 2 ? pairs() : classes; }
};

// Probabilities of classes out of those of pairs: Wu, Lin and Weng, "Probability Estimates for Multi-class
// Classification by Pairwise Coupling" (2004), the second method, with the bounds that libsvm stops at.
class pairwise_coupling {
public:
  /// `pair`: of each pair i < j the probability of i against j.
  void run(std::span<const double> pair, std::span<double> p) {
    const std::size_t n = p.size();
    fill_q(pair, n);
    std::fill(p.begin(), p.end(), 1 / static_cast<double>(n));
    product_.resize(n);
    for (int round = 0; round < 100; ++round) {
      double total = 0; // p' Q p
      for (std::size_t i = 0; i < n; ++i) {
        product_[i] = 0;
        for (std::size_t j = 0; j < n; ++j) product_[i] += q_[i * n + j] * p[j];
        total += p[i] * product_[i];
      }
      double worst = 0;
      for (const double x : product_) worst = std::max(worst, std::abs(x - total));
      if (worst < 0.005 / static_cast<double>(n)) return;
      for (std::size_t i = 0; i < n; ++i) step(i, total, p);
    }
  }

private:
  void fill_q(std::span<const double> pair, std::size_t n) {
    q_.assign(n * n, 0);
    std::size_t at = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i + 1; j < n; ++j, ++at) {
        const double against = 1 - pair[at]; // of j against i
        q_[i * n + i] += against * against;
        q_[j * n + j] += pair[at] * pair[at];
        q_[i * n + j] = q_[j * n + i] = -against * pair[at];
      }
  }

  // Moves p[i] to where the derivative is 0, and brings the sum back to 1.
  void step(std::size_t i, double& total, std::span<double> p) {
    const std::size_t n = p.size();
    const double move = (total - product_[i]) / q_[i * n + i];
    const double sum = 1 + move;
    total = (total + move * (move * q_[i * n + i] + 2 * product_[i])) / (sum * sum);
    p[i] += move;
    for (std::size_t j = 0; j < n; ++j) {
      product_[j] = (product_[j] + move * q_[i * n + j]) / sum;
      p[j] /= sum;
    }
  }

  std::vector<double> q_, product_;
};

class svm_classifier final : public operation {
public:
  svm_classifier(std::unique_ptr<svm_decisions> decisions, svm_setup setup)
      : decisions_(std::move(decisions))
      , setup_(std::move(setup)) {}
  void run(std::span<const cells_in> in, std::span<const cells_out> out) const override {
    constexpr std::size_t step = kernel_machine::rows_at_once;
    const std::size_t count = decisions_->count();
    thread_local std::vector<double> decisions;
    decisions.resize(step * count);
    for (std::size_t first = 0; first < in[0].rows; first += step) {
      const std::size_t rows = std::min(step, in[0].rows - first);
      decisions_->run(in[0], first, rows, decisions.data());
      for (std::size_t i = 0; i < rows; ++i) {
        const std::span<double> of_row{decisions.data() + i * count, count};
        *out[0].row<std::int64_t>(first + i) = static_cast<std::int64_t>(setup_.votes ? voted(of_row) : best(of_row));
        write(of_row, out[1].row<float>(first + i));
      }
    }
  }

private:
  std::size_t voted(std::span<const double> decisions) const {
    thread_local std::vector<std::size_t> votes;
    votes.assign(setup_.classes, 0);
    const double* decision = decisions.data();
    for (std::size_t i = 0; i < setup_.classes; ++i)
      for (std::size_t j = i + 1; j < setup_.classes; ++j) ++votes[*decision++ > 0 ? i : j];
    return static_cast<std::size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }

  std::size_t best(std::span<const double> scores) const {
    const auto largest = std::max_element(scores.begin(), scores.end());
    const auto at = static_cast<std::size_t>(largest - scores.begin());
    // Of two classes the second wins where the largest score is large, even if it is that of the first.
    if (scores.size() == 2 && setup_.slopes.empty() && (setup_.all_positive ? *largest >= 0.5 : *largest > 0)) return 1;
    return at;
  }

  void write(std::span<double> decisions, float* numbers) const {
    if (setup_.probabilities()) return write_probabilities(decisions, numbers);
    if (setup_.votes && setup_.classes == 2) {
      const float score = static_cast<float>(decisions[0]);
      numbers[0] = setup_.post == post_transform::none ? -score : 1 - score;
      numbers[1] = score;
      if (setup_.post == post_transform::logistic)
        for (const int k : {0, 1}) numbers[k] = static_cast<float>(logistic(k == 0 ? -decisions[0] : decisions[0]));
      return;
    }
    model::apply(setup_.post, decisions);
    std::transform(decisions.begin(), decisions.end(), numbers, [](double x) { return static_cast<float>(x); });
  }

  void write_probabilities(std::span<double> decisions, float* numbers) const {
    // onnxruntime calls all classes equal then; a NaN says what it is, and makes the row a dead letter.
    if (std::any_of(decisions.begin(), decisions.end(), [](double x) { return std::isnan(x); })) {
      std::fill_n(numbers, setup_.classes, std::numeric_limits<float>::quiet_NaN());
      return;
    }
    constexpr double least = 1e-7;
    for (std::size_t i = 0; i < decisions.size(); ++i)
      decisions[i] = std::clamp(logistic(-(decisions[i] * setup_.slopes[i] + setup_.intercepts[i])), least, 1 - least);
    thread_local pairwise_coupling coupling;
    thread_local std::vector<double> classes;
    classes.resize(setup_.classes);
    coupling.run(decisions, classes);
    model::apply(setup_.post, classes);
    std::transform(classes.begin(), classes.end(), numbers, [](double x) { return static_cast<float>(x); });
  }

  std::unique_ptr<svm_decisions> decisions_;
  svm_setup setup_;
};

// ---- building ----

struct svm_attributes {
  std::vector<std::int64_t> per_class;
  std::vector<float> weights, vectors, rho;
};

result<svm_attributes> read_lists(attribute_reader& node) {
  svm_attributes out;
  auto per_class = node.integers("vectors_per_class");
  if (!per_class) return tl::make_unexpected(per_class.error());
  out.per_class = std::move(*per_class);
  for (auto [name, to] : {std::pair{"coefficients", &out.weights}, std::pair{"support_vectors", &out.vectors},
                          std::pair{"rho", &out.rho}}) {
    auto values = node.floats(name);
    if (!values) return tl::make_unexpected(values.error());
    if (values->size() > std::size_t{1} << 30) return node.wrong(fmt::format("{} is too long", name));
    *to = std::move(*values);
  }
  return out;
}

result<void> read_setup(attribute_reader& node, svm_setup& setup) {
  const auto slopes = node.floats("prob_a");
  if (!slopes) return tl::make_unexpected(slopes.error());
  const auto intercepts = node.floats("prob_b");
  if (!intercepts) return tl::make_unexpected(intercepts.error());
  const auto post = read_post_transform(node);
  if (!post) return tl::make_unexpected(post.error());
  if (slopes->size() != intercepts->size() || (!slopes->empty() && slopes->size() != setup.pairs()))
    return node.wrong(fmt::format("prob_a has {} entries, prob_b has {}, for {} pairs of classes", slopes->size(),
                                  intercepts->size(), setup.pairs()));
  setup.slopes.assign(slopes->begin(), slopes->end());
  setup.intercepts.assign(intercepts->begin(), intercepts->end());
  setup.post = *post;
  return {};
}

// Where the vectors of each class begin, and the end of the last.
result<std::vector<std::size_t>> read_starts(const attribute_reader& node, const svm_attributes& lists,
                                             const svm_setup& setup) {
  if (lists.per_class.size() != setup.classes)
    return node.wrong(
        fmt::format("vectors_per_class has {} entries for {} classes", lists.per_class.size(), setup.classes));
  std::vector<std::size_t> starts{0};
  for (const std::int64_t count : lists.per_class) {
    if (count < 0 || static_cast<std::uint64_t>(count) > lists.vectors.size())
      return node.wrong(fmt::format("vectors_per_class has the entry {}", count));
    starts.push_back(starts.back() + static_cast<std::size_t>(count));
  }
  return starts;
}

result<std::unique_ptr<svm_decisions>> make_votes(const attribute_reader& node, const svm_kernel_setup& kernel,
                                                  const svm_attributes& lists, const svm_setup& setup,
                                                  std::size_t width) {
  auto starts = read_starts(node, lists, setup);
  if (!starts) return tl::make_unexpected(starts.error());
  const std::size_t vectors = starts->back();
  if (lists.vectors.size() != vectors * width)
    return node.wrong(fmt::format("support_vectors has {} entries, expected {} vectors x {} inputs",
                                  lists.vectors.size(), vectors, width));
  if (lists.weights.size() != vectors * (setup.classes - 1))
    return node.wrong(fmt::format("coefficients has {} entries, expected {} x {} vectors", lists.weights.size(),
                                  setup.classes - 1, vectors));
  if (lists.rho.size() != setup.pairs())
    return node.wrong(fmt::format("rho has {} entries for {} pairs of classes", lists.rho.size(), setup.pairs()));
  if (setup.classes == 2 && setup.slopes.empty() && setup.post == post_transform::probit)
    return node.unsupported("post_transform PROBIT of two classes without probabilities is not defined");
  if (auto ok = node.charge(decision_bytes(kernel, lists.vectors.size(), width, lists.rho.size())); !ok)
    return tl::make_unexpected(ok.error());
  return pair_decisions(kernel, lists.vectors, width, std::move(*starts), lists.weights, lists.rho);
}

result<std::unique_ptr<svm_decisions>> make_linear(const attribute_reader& node, const svm_attributes& lists,
                                                   const svm_setup& setup, std::size_t width) {
  if (lists.weights.size() != setup.classes * width)
    return node.wrong(fmt::format("coefficients has {} entries, expected {} classes x {} inputs", lists.weights.size(),
                                  setup.classes, width));
  if (lists.rho.empty()) return node.wrong("rho has no entry");
  return linear_decisions(lists.weights, width, lists.rho.front());
}

} // namespace

result<built_node> build_svm_classifier(attribute_reader& node, node_inputs inputs) {
  const auto input = row_floats(node, inputs);
  if (!input) return tl::make_unexpected(input.error());
  const auto classes = read_classes(node, "classlabels_ints", "classlabels_strings");
  if (!classes) return tl::make_unexpected(classes.error());
  svm_setup setup;
  setup.classes = (*classes)->names.size();
  if (setup.classes < 2 || setup.classes > 65535)
    return node.wrong(fmt::format("it has {} class labels, expected 2 to 65535", setup.classes));
  const auto lists = read_lists(node);
  if (!lists) return tl::make_unexpected(lists.error());
  if (auto ok = read_setup(node, setup); !ok) return tl::make_unexpected(ok.error());
  setup.votes = std::any_of(lists->per_class.begin(), lists->per_class.end(), [](auto count) { return count != 0; });
  setup.all_positive = std::all_of(lists->weights.begin(), lists->weights.end(), [](float x) { return x >= 0; });
  const auto kernel = read_svm_kernel(node, !setup.votes);
  if (!kernel) return tl::make_unexpected(kernel.error());
  const std::size_t width = (*input)->width();
  auto decisions =
      setup.votes ? make_votes(node, *kernel, *lists, setup, width) : make_linear(node, *lists, setup, width);
  if (!decisions) return tl::make_unexpected(decisions.error());

  built_node built;
  built.outputs.push_back(label_of(*classes));
  built.outputs.push_back(numbers_of(setup.width()));
  value_type& numbers = built.outputs.back();
  if (setup.width() == setup.classes && (setup.probabilities() || !setup.votes || setup.classes == 2))
    numbers.classes = *classes;
  numbers.probabilities =
      setup.votes ? setup.probabilities() && setup.post == post_transform::none : gives_probabilities(setup.post);
  built.op = std::make_unique<svm_classifier>(std::move(*decisions), std::move(setup));
  return built;
}

} // namespace troupe::model
