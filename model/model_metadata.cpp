#include "model/model_metadata.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "model/evaluator.hpp"
#include "model/json_text.hpp"
#include "model/loaded_model.hpp"
#include "model/row_parser.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr row_limits metadata_limits{64u << 20, 32, 4'000'000};
constexpr double tolerance = 1e-5;

// The values of some members of the JSON object `text`, in the order of `names`; "" where one is absent.
result<std::vector<std::string_view>> members(std::string_view text, const std::vector<std::string>& names,
                                              std::string_view key) {
  std::vector<known_name> known;
  for (std::size_t i = 0; i < names.size(); ++i) known.push_back({names[i], -1, static_cast<std::int32_t>(i)});
  row_parser parser{known, false, metadata_limits};
  if (parser.parse(text, {}) != rejection::none)
    return fail(errc::invalid, fmt::format("the metadata {} can't be read: {}", key, parser.fault().sentence));
  std::vector<std::string_view> values(names.size());
  for (const row_field& field : parser.fields())
    values[static_cast<std::size_t>(field.tag)] = text.substr(field.value_begin, field.value_end - field.value_begin);
  return values;
}

tl::unexpected<error> wrong(std::string_view key, std::string_view what) {
  return fail(errc::invalid, fmt::format("the metadata {}: {}", key, what));
}

result<void> read_signature(const std::string& text, model_metadata& out) {
  constexpr std::string_view key = "troupe.signature";
  const auto values = members(text, {"features", "positive_class"}, key);
  if (!values) return tl::make_unexpected(values.error());
  const std::string name = "name";
  for (const std::string_view feature : elements((*values)[0])) {
    const auto literal = walk(feature, &name, &name + 1);
    const auto value = literal ? string_value(*literal) : std::nullopt;
    if (!value) return wrong(key, fmt::format("features[{}] has no name", out.features.size()));
    out.features.push_back(*value);
  }
  if (const std::string_view positive = (*values)[1]; !positive.empty()) {
    const auto value = string_value(positive);
    out.positive_class = value ? *value : std::string{positive};
  }
  return {};
}

result<void> read_feature_names(const std::string& text, model_metadata& out) {
  if (text.empty() || text.front() != '[') {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      out.features.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
    return {};
  }
  const std::string wrapped = "{\"names\":" + text + "}";
  const auto values = members(wrapped, {"names"}, "feature_names");
  if (!values) return tl::make_unexpected(values.error());
  for (const std::string_view element : elements((*values)[0])) {
    const auto value = string_value(element);
    if (!value) return wrong("feature_names", fmt::format("entry {} is not a string", out.features.size()));
    out.features.push_back(*value);
  }
  return {};
}

result<double> number(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size())
    return wrong("troupe.golden", fmt::format("{} in expected is not a number", quoted(text)));
  return value;
}

result<golden_rows> read_golden(const std::string& text) {
  constexpr std::string_view key = "troupe.golden";
  const auto values = members(text, {"rows", "expected"}, key);
  if (!values) return tl::make_unexpected(values.error());
  golden_rows golden;
  for (const std::string_view row : elements((*values)[0])) golden.rows.emplace_back(row);
  for (const std::string_view results : elements((*values)[1])) {
    std::vector<double> row;
    for (const std::string_view text_of_one : results.front() == '[' ? elements(results) : std::vector{results}) {
      const auto value = number(text_of_one);
      if (!value) return tl::make_unexpected(value.error());
      row.push_back(*value);
    }
    golden.expected.push_back(std::move(row));
  }
  if (golden.rows.empty() || golden.rows.size() != golden.expected.size())
    return wrong(key,
                 fmt::format("it has {} rows and {} expected results", golden.rows.size(), golden.expected.size()));
  return golden;
}

} // namespace

result<model_metadata> read_metadata(const metadata_texts& texts) {
  model_metadata out;
  for (const auto* text : {&texts.signature, &texts.feature_names, &texts.golden})
    if (*text && check_utf8(**text) != utf8_state::valid) return fail(errc::invalid, "the metadata are not UTF-8");
  if (texts.signature)
    if (auto ok = read_signature(*texts.signature, out); !ok) return tl::make_unexpected(ok.error());
  if (out.features.empty() && texts.feature_names)
    if (auto ok = read_feature_names(*texts.feature_names, out); !ok) return tl::make_unexpected(ok.error());
  if (texts.golden) {
    auto golden = read_golden(*texts.golden);
    if (!golden) return tl::make_unexpected(golden.error());
    out.golden = std::move(*golden);
  }
  return out;
}

result<void> check_golden(const loaded_model& model, const golden_rows& golden) {
  constexpr std::string_view key = "troupe.golden";
  if (model.features.empty()) return wrong(key, "its rows have names, but the file does not name the features");
  std::vector<known_name> names;
  for (std::size_t i = 0; i < model.features.size(); ++i)
    names.push_back({model.features[i], static_cast<std::int32_t>(i), -1});
  row_parser parser{names, false, row_limits{}};
  std::vector<float> features(model.feature_count);
  evaluator::scratch scratch = model.graph->make_scratch();
  for (std::size_t i = 0; i < golden.rows.size(); ++i) {
    if (parser.parse(golden.rows[i], features) != rejection::none)
      return wrong(key, fmt::format("row {}: {}", i, parser.fault().sentence));
    model.graph->run(features.data(), 1, scratch);
    const float* numbers = model.graph->numbers(features.data(), scratch, 0);
    const std::vector<double>& expected = golden.expected[i];
    std::size_t first = 0;
    if (expected.size() != model.graph->width()) {
      if (expected.size() != 1 || model.what != task::binary_classifier)
        return wrong(
            key, fmt::format("row {} expects {} values, the model gives {}", i, expected.size(), model.graph->width()));
      first = model.positive_class;
    }
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const double got = static_cast<double>(numbers[first + k]);
      if (!(std::abs(got - expected[k]) <= tolerance * std::max(1.0, std::abs(expected[k]))))
        return wrong(key, fmt::format("row {} gives {} where the file expects {} (value {})", i, got, expected[k], k));
    }
  }
  return {};
}

} // namespace troupe::model
