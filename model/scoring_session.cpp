// Batches through parser, evaluator and encoder. A batch goes through in chunks of at most evaluator::rows_at_once()
// rows: all good rows of a chunk are evaluated together, and then the outcomes are written in the order of the rows.
#include <algorithm>
#include <cmath>
#include <new>
#include <string_view>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "model/bound_plan.hpp"
#include "model/encoder.hpp"
#include "model/evaluator.hpp"
#include "model/text.hpp"

namespace troupe::model {

struct scoring_session::impl {
  explicit impl(std::shared_ptr<const bound_plan> p)
      : plan(std::move(p))
      , graph(*plan->model->graph)
      , parser(plan->wanted, plan->limits)
      , memory(graph.make_scratch())
      , numbers(graph.number_columns() * graph.rows_at_once())
      , texts(graph.text_columns() * graph.rows_at_once()) {}

  // What parsing left of a row: its fields in `fields` for a good one, its detail in `details` for another.
  struct parsed_row {
    rejection code;
    std::size_t end;
  };

  std::shared_ptr<const bound_plan> plan;
  const evaluator& graph;
  row_parser parser;
  evaluator::scratch memory;
  std::vector<double> numbers;         // features of the good rows of the chunk
  std::vector<std::string_view> texts; // likewise
  std::vector<parsed_row> parsed;      // of all its rows
  std::vector<row_field> fields;
  std::string details;

  static std::string_view row_of(std::span<const char> bytes, std::span<const std::uint32_t> ends, std::size_t i) {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    TROUPE_ASSERT(begin <= ends[i] && ends[i] <= bytes.size());
    return {bytes.data() + begin, ends[i] - begin};
  }

  static void finish(outcome_block& out, rejection code) {
    out.codes.push_back(static_cast<char>(code));
    out.ends.push_back(static_cast<std::uint32_t>(out.bytes.size()));
  }

  static void reject(outcome_block& out, rejection code, std::string_view feature, std::string_view sentence) {
    out.bytes.insert(out.bytes.end(), feature.begin(), feature.end());
    out.bytes.push_back('\0');
    out.bytes.insert(out.bytes.end(), sentence.begin(), sentence.end());
    finish(out, code);
  }

  // Rows [first, last), at most rows_at_once(); gives the number of good ones.
  std::size_t parse_chunk(std::span<const char> bytes, std::span<const std::uint32_t> ends, std::size_t first,
                          std::size_t last) {
    parsed.clear();
    fields.clear();
    details.clear();
    parser.forget_texts();
    std::size_t good = 0;
    for (std::size_t i = first; i < last; ++i) {
      const rejection code = parser.parse(row_of(bytes, ends, i), {numbers.data() + good * graph.number_columns(),
                                                                   texts.data() + good * graph.text_columns()});
      if (code == rejection::none) {
        ++good;
        fields.insert(fields.end(), parser.fields().begin(), parser.fields().end());
        parsed.push_back({code, fields.size()});
      } else {
        details.append(parser.fault().feature).append(1, '\0').append(parser.fault().sentence);
        parsed.push_back({code, details.size()});
      }
    }
    return good;
  }

  void write_prediction(std::string_view row, std::span<const row_field> row_fields, std::size_t good_index,
                        outcome_block& out) {
    const std::span<const float> given{graph.numbers(memory, good_index), graph.width()};
    const auto bad = std::find_if(given.begin(), given.end(), [](float x) { return !std::isfinite(x); });
    if (bad != given.end()) {
      reject(out, rejection::not_finite, "", fmt::format("the model's result {} is {}", bad - given.begin(), *bad));
      return;
    }
    encode(*plan, row, row_fields, {given, graph.label(memory, good_index)}, out.bytes);
    finish(out, rejection::none);
  }

  void write_chunk(std::span<const char> bytes, std::span<const std::uint32_t> ends, std::size_t first,
                   outcome_block& out) {
    std::size_t field_at = 0;
    std::size_t detail_at = 0;
    std::size_t good = 0;
    for (std::size_t i = 0; i < parsed.size(); ++i) {
      const parsed_row& row = parsed[i];
      if (row.code == rejection::none) {
        write_prediction(row_of(bytes, ends, first + i), {fields.data() + field_at, row.end - field_at}, good++, out);
        field_at = row.end;
      } else {
        out.bytes.insert(out.bytes.end(), details.begin() + static_cast<std::ptrdiff_t>(detail_at),
                         details.begin() + static_cast<std::ptrdiff_t>(row.end));
        finish(out, row.code);
        detail_at = row.end;
      }
    }
  }

  void count_treated() {
    feature_filler& features = parser.features();
    if (!features.any_counts()) return;
    for (std::size_t i = 0; i < features.counts().size(); ++i)
      for (std::size_t what = 0; what < oddity_count; ++what)
        if (const std::uint64_t rows = features.counts()[i][what]; rows > 0)
          plan->oddities[i * oddity_count + what].fetch_add(rows, std::memory_order_relaxed);
    features.clear_counts();
  }

  void score_chunk(std::span<const char> bytes, std::span<const std::uint32_t> ends, std::size_t first,
                   std::size_t last, outcome_block& out) {
    const std::size_t outcomes = out.ends.size();
    const std::size_t size = out.bytes.size();
    try {
      if (const std::size_t good = parse_chunk(bytes, ends, first, last); good > 0) {
        graph.load(numbers.data(), texts.data(), good, memory);
        graph.run(good, memory);
      }
      write_chunk(bytes, ends, first, out);
      count_treated();
    } catch (const std::bad_alloc&) {
      // Memory is bounded by the limits of the plan; if the machine has less, the rows are dead letters and the node
      // lives.
      out.bytes.resize(size);
      out.ends.resize(outcomes);
      out.codes.resize(outcomes);
      for (std::size_t i = first; i < last; ++i)
        reject(out, rejection::internal, "", "not enough memory to score the batch");
    }
  }
};

scoring_session::scoring_session(std::shared_ptr<const scoring_plan> plan) {
  TROUPE_ASSERT(plan != nullptr);
  // scoring_plan::make is the only maker of plans.
  impl_ = std::make_unique<impl>(std::static_pointer_cast<const bound_plan>(plan));
}
scoring_session::scoring_session(scoring_session&&) noexcept = default;
scoring_session& scoring_session::operator=(scoring_session&&) noexcept = default;
scoring_session::~scoring_session() = default;

void scoring_session::score(std::span<const char> bytes, std::span<const std::uint32_t> ends, outcome_block& out) {
  const std::size_t step = impl_->graph.rows_at_once();
  for (std::size_t first = 0; first < ends.size(); first += step)
    impl_->score_chunk(bytes, ends, first, std::min(first + step, ends.size()), out);
}

} // namespace troupe::model
