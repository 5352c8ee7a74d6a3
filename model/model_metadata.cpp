#include "model/model_metadata.hpp"

#include <algorithm>
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
  wanted_fields wanted;
  for (std::size_t i = 0; i < names.size(); ++i)
    wanted.names.push_back({names[i], -1, static_cast<std::int32_t>(i), -1});
  row_parser parser{std::move(wanted), metadata_limits};
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

constexpr std::string_view signature_key = "troupe.signature";

std::optional<double> number_of(std::string_view literal) {
  double value = 0;
  const auto [end, status] = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (literal.empty() || status != std::errc{} || end != literal.data() + literal.size()) return std::nullopt;
  return value;
}

// A feature of the signature; errors say which.
class feature_reader {
public:
  feature_reader(std::string_view json, std::size_t index)
      : json_(json)
      , where_(fmt::format("features[{}]", index)) {}

  result<told_feature> read() {
    for (auto step : {&feature_reader::read_name, &feature_reader::read_type, &feature_reader::read_shape,
                      &feature_reader::read_missing, &feature_reader::read_invalid, &feature_reader::read_known})
      if (auto ok = (this->*step)(); !ok) return tl::make_unexpected(ok.error());
    return std::move(out_);
  }

private:
  std::string_view member(const std::string& name) const { return walk(json_, &name, &name + 1).value_or(""); }
  std::optional<std::string> word(const std::string& name) const { return string_value(member(name)); }
  tl::unexpected<error> bad(std::string_view what) const {
    return wrong(signature_key, fmt::format("{} {}", where_, what));
  }

  result<void> read_name() {
    const auto name = word("name");
    if (!name) return bad("has no name");
    out_.spec.name = *name;
    return {};
  }

  result<void> read_type() {
    if (member("type").empty()) return {};
    const auto text = word("type");
    out_.type = text ? feature_type_of(*text) : std::nullopt;
    if (!out_.type) return bad("has a type that is none of number, double, integer, boolean, string");
    return {};
  }

  result<void> read_shape() {
    std::uint64_t width = 1;
    for (const std::string_view dim : elements(member("shape"))) {
      const auto size = number_of(dim);
      if (!size || *size < 1 || *size > 1e6 || *size != std::floor(*size) ||
          (width *= static_cast<std::uint64_t>(*size)) > 1'000'000)
        return bad("has a shape that is not a list of positive integers, or too large");
      out_.spec.dims.push_back(static_cast<std::int64_t>(*size));
    }
    return {};
  }

  result<void> read_replacement(const std::string& name, double& number, std::string& text,
                                std::optional<bool>& is_text) {
    const std::string_view literal = member(name);
    is_text = literal.starts_with('"');
    if (const auto told_text = string_value(literal))
      text = *told_text;
    else if (const auto told_number = number_of(literal))
      number = *told_number;
    else
      return bad(fmt::format("has a {} that is neither a number nor a string", name));
    return {};
  }

  result<void> read_missing() {
    feature_spec& spec = out_.spec;
    if (member("required") == "false") spec.on_missing = treatment::as_is;
    const std::string_view told = member("missingValueTreatment");
    const bool replaced = !member("missingValueReplacement").empty();
    if (told.empty() && !replaced) return {};
    const std::string how = told.empty() ? "asValue" : string_value(told).value_or("");
    if (how == "returnInvalid")
      spec.on_missing = treatment::reject;
    else if (how == "asIs")
      spec.on_missing = treatment::as_is;
    // The means and modes are numbers by the time that a model is exported.
    else if ((how == "asValue" || how == "asMean" || how == "asMode" || how == "asMedian") && replaced)
      spec.on_missing = treatment::replace;
    else
      return bad("has a missingValueTreatment that is neither returnInvalid, asIs, nor asValue with a "
                 "missingValueReplacement");
    if (spec.on_missing != treatment::replace) return {};
    return read_replacement("missingValueReplacement", spec.missing_number, spec.missing_text, out_.missing_is_text);
  }

  result<void> read_invalid() {
    feature_spec& spec = out_.spec;
    const std::string_view told = member("invalidValueTreatment");
    if (told.empty()) return {};
    const std::string how = string_value(told).value_or("");
    if (how == "returnInvalid") {
      spec.on_invalid = spec.on_wrong_type = treatment::reject;
    } else if (how == "asIs") {
      spec.on_invalid = treatment::as_is;
    } else if (how == "asMissing") {
      spec.on_invalid = spec.on_wrong_type = treatment::as_missing;
    } else if (how == "asValue") {
      spec.on_invalid = spec.on_wrong_type = treatment::replace;
      return read_replacement("invalidValueReplacement", spec.invalid_number, spec.invalid_text, out_.invalid_is_text);
    } else {
      return bad("has an invalidValueTreatment that is none of returnInvalid, asIs, asMissing, asValue");
    }
    return {};
  }

  result<void> read_known() {
    for (const std::string_view literal : elements(member("categories"))) {
      const auto category = string_value(literal);
      if (!category) return bad("has a category that is not a string");
      out_.spec.categories.push_back(*category);
    }
    std::sort(out_.spec.categories.begin(), out_.spec.categories.end());
    const auto range = elements(member("range"));
    if (range.empty()) return {};
    out_.spec.low = number_of(range.front());
    out_.spec.high = number_of(range.back());
    if (range.size() != 2 || !out_.spec.low || !out_.spec.high || *out_.spec.low > *out_.spec.high)
      return bad("has a range that is not [smallest, largest]");
    return {};
  }

  std::string_view json_;
  std::string where_;
  told_feature out_;
};

// What is charged for an element, with all that is made of it.
constexpr std::size_t feature_bytes = 512;
constexpr std::size_t name_bytes = 96;
constexpr std::size_t result_bytes = 96;

result<void> read_signature(const std::string& text, model_metadata& out, memory_budget& memory) {
  const auto values = members(text, {"features", "positive_class"}, signature_key);
  if (!values) return tl::make_unexpected(values.error());
  const auto features = elements((*values)[0]);
  if (auto ok = memory.charge(features.size() * feature_bytes, "the metadata troupe.signature: features"); !ok)
    return ok;
  for (const std::string_view json : features) {
    auto feature = feature_reader{json, out.features.size()}.read();
    if (!feature) return tl::make_unexpected(feature.error());
    out.features.push_back(std::move(*feature));
  }
  if (const std::string_view positive = (*values)[1]; !positive.empty()) {
    const auto value = string_value(positive);
    out.positive_class = value ? *value : std::string{positive};
  }
  return {};
}

result<void> read_feature_names(const std::string& text, model_metadata& out, memory_budget& memory) {
  const auto count = static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) + 1;
  if (auto ok = memory.charge(count * name_bytes, "the metadata feature_names"); !ok) return ok;
  if (text.empty() || text.front() != '[') {
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t comma = std::min(text.find(',', at), text.size());
      out.feature_names.push_back(text.substr(at, comma - at));
      at = comma + 1;
    }
    return {};
  }
  const std::string wrapped = "{\"names\":" + text + "}";
  const auto values = members(wrapped, {"names"}, "feature_names");
  if (!values) return tl::make_unexpected(values.error());
  for (const std::string_view element : elements((*values)[0])) {
    const auto value = string_value(element);
    if (!value) return wrong("feature_names", fmt::format("entry {} is not a string", out.feature_names.size()));
    out.feature_names.push_back(*value);
  }
  return {};
}

result<golden_rows> read_golden(const std::string& text, memory_budget& memory) {
  constexpr std::string_view key = "troupe.golden";
  const auto count = static_cast<std::size_t>(std::count(text.begin(), text.end(), ',')) + 1;
  if (auto ok = memory.charge(count * result_bytes, "the metadata troupe.golden"); !ok)
    return tl::make_unexpected(ok.error());
  const auto values = members(text, {"rows", "expected"}, key);
  if (!values) return tl::make_unexpected(values.error());
  golden_rows golden;
  for (const std::string_view row : elements((*values)[0])) golden.rows.emplace_back(row);
  for (const std::string_view results : elements((*values)[1])) {
    std::vector<double> row;
    for (const std::string_view text_of_one : results.front() == '[' ? elements(results) : std::vector{results}) {
      const auto value = number_of(text_of_one);
      if (!value) return wrong(key, fmt::format("{} in expected is not a number", quoted(text_of_one)));
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

result<model_metadata> read_metadata(const metadata_texts& texts, memory_budget& memory) {
  model_metadata out;
  for (const auto* text : {&texts.format, &texts.signature, &texts.feature_names, &texts.golden, &texts.baseline})
    if (*text && check_utf8(**text) != utf8_state::valid) return fail(errc::invalid, "the metadata are not UTF-8");
  if (texts.format && *texts.format != "1")
    return fail(errc::unsupported, fmt::format("the metadata troupe.format are {}, this version reads 1; export the "
                                               "model again, or use a newer Troupe",
                                               quoted(*texts.format)));
  if (texts.signature)
    if (auto ok = read_signature(*texts.signature, out, memory); !ok) return tl::make_unexpected(ok.error());
  if (texts.feature_names)
    if (auto ok = read_feature_names(*texts.feature_names, out, memory); !ok) return tl::make_unexpected(ok.error());
  if (texts.golden) {
    auto golden = read_golden(*texts.golden, memory);
    if (!golden) return tl::make_unexpected(golden.error());
    out.golden = std::move(*golden);
  }
  return out;
}

result<double> check_golden(const loaded_model& model, const golden_rows& golden) {
  constexpr std::string_view key = "troupe.golden";
  if (model.features.empty()) return wrong(key, "its rows have names, but the file does not name the features");
  const evaluator& graph = *model.graph;
  auto wanted = wanted_features(place_features(graph, model.features), "the metadata");
  if (!wanted) return tl::make_unexpected(wanted.error());
  row_parser parser{std::move(*wanted), row_limits{}};
  std::vector<double> numbers(graph.number_columns());
  std::vector<std::string_view> texts(graph.text_columns());
  evaluator::scratch scratch = graph.make_scratch();
  double largest = 0;
  for (std::size_t i = 0; i < golden.rows.size(); ++i) {
    if (parser.parse(golden.rows[i], {numbers.data(), texts.data()}) != rejection::none)
      return wrong(key, fmt::format("row {}: {}", i, parser.fault().sentence));
    graph.load(numbers.data(), texts.data(), 1, scratch);
    graph.run(1, scratch);
    const float* results = graph.numbers(scratch, 0);
    const std::vector<double>& expected = golden.expected[i];
    std::size_t first = 0;
    if (expected.size() != graph.width()) {
      if (expected.size() != 1 || model.what != task::binary_classifier)
        return wrong(key,
                     fmt::format("row {} expects {} values, the model gives {}", i, expected.size(), graph.width()));
      first = model.positive_class;
    }
    for (std::size_t k = 0; k < expected.size(); ++k) {
      const double got = static_cast<double>(results[first + k]);
      if (!(std::abs(got - expected[k]) <= tolerance * std::max(1.0, std::abs(expected[k]))))
        return wrong(key, fmt::format("row {} gives {} where the file expects {} (value {})", i, got, expected[k], k));
      largest = std::max(largest, std::abs(got - expected[k]));
    }
  }
  return largest;
}

} // namespace troupe::model
