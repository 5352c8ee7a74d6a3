#pragma once
// Rows in, outcomes out: the one door to the model code. scorer actors and `troupe score` both walk through it.
//
//   bytes of rows -> row_parser (strict SAX) -> feature matrix -> evaluator (Eigen) -> encoder -> bytes of outcomes
//
// A `scoring_plan` is immutable and shared between threads; a `scoring_session` is the scratch memory of one thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "model/loaded_model.hpp"
#include "model/rejection.hpp"

namespace troupe::model {

/// One outcome a row, in the order of the rows. Row i's bytes end at ends[i]: the prediction (a JSON object) where
/// codes[i] is 0 (`rejection::none`), else the rejection's detail: the feature's name (maybe empty), a NUL, and a
/// sentence for people.
struct outcome_block {
  std::vector<char> bytes;
  std::vector<std::uint32_t> ends;
  std::vector<char> codes;
  void clear() {
    bytes.clear();
    ends.clear();
    codes.clear();
  }
};

/// How rows are read and outcomes written; from the `pipelines[].output` section. See config/config.hpp for the words.
struct scoring_options {
  std::vector<std::string> features; ///< names in the order of the model's columns or inputs; empty: the model's own
  std::optional<std::vector<std::string>> carry; ///< absent: every top-level field that is not a feature, in row order
  std::vector<std::pair<std::string, std::string>>
      prediction;          ///< output name -> choice; none: what suits the model; "" too, under this name
  std::string model_label; ///< "games@2": what the choice `model` writes
  std::uint32_t max_row_bytes = 1u << 20;
  std::uint32_t max_nesting_depth = 32;
  std::uint32_t max_fields = 100'000;
};

/// How often a feature was treated (feature.hpp) in rows that were scored.
struct treated_feature {
  std::string name;
  oddity_counts counts{};
};

/// A model bound to names and an output shape. Immutable but for its counters; any thread.
class scoring_plan {
public:
  /// Fails (errc::invalid, naming the feature, class or choice) where the model needs names that nobody gives, or the
  /// output asks for what the model has not.
  static result<std::shared_ptr<const scoring_plan>> make(std::shared_ptr<const loaded_model> model,
                                                          scoring_options options);
  virtual ~scoring_plan() = default;
  virtual std::vector<std::string> feature_names() const = 0;
  /// Since the plan was made, by all of its sessions; features that were never treated are left out.
  virtual std::vector<treated_feature> treated() const = 0;
};

/// Scores batches; owns its buffers and allocates nothing once warm. One thread at a time.
class scoring_session {
public:
  explicit scoring_session(std::shared_ptr<const scoring_plan> plan);
  scoring_session(scoring_session&&) noexcept;
  scoring_session& operator=(scoring_session&&) noexcept;
  ~scoring_session();
  /// Row i is bytes[ends[i-1] .. ends[i]). Appends exactly ends.size() outcomes to `out`. Never throws, never fails:
  /// what is wrong with a row is its outcome. REQUIRES: ends ascending, ends.back() <= bytes.size().
  void score(std::span<const char> bytes, std::span<const std::uint32_t> ends, outcome_block& out);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::model
