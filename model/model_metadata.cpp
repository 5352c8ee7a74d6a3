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

// "troupe.signature: features[1].range is '"wide"', expected [smallest, largest]"; `json`: what was found.
tl::unexpected<error> unexpected_value(std::string_view key, std::string_view path, std::string_view json,
                                       std::string_view expected) {
  return wrong(key, fmt::format("{} is {}, expected {}", path, quoted(json), expected));
}

// The elements of a list; none where the member is absent.
result<std::vector<std::string_view>> list_of(std::string_view key, std::string_view path, std::string_view json,
                                              std::string_view expected) {
  if (!json.empty() && json.front() != '[') return unexpected_value(key, path, json, expected);
  return elements(json);
}

// A feature of the signature; errors say which.
class feature_reader {
public:
  feature_reader(std::string_view json, std::size_t index)
      : json_(json)
      , where_(fmt::format("features[{}]", index)) {}

  result<told_feature> read() {
    if (json_.front() != '{') return unexpected_value(signature_key, where_, json_, "an object");
    for (auto step : {&feature_reader::read_name, &feature_reader::read_type, &feature_reader::read_shape,
                      &feature_reader::read_missing, &feature_reader::read_invalid, &feature_reader::read_known})
      if (auto ok = (this->*step)(); !ok) return tl::make_unexpected(ok.error());
    return std::move(out_);
  }

private:
  std::string_view member(const std::string& name) const { return walk(json_, &name, &name + 1).value_or(""); }
  tl::unexpected<error> bad(const std::string& name, std::string_view expected) const {
    return unexpected_value(signature_key, where_ + '.' + name, member(name), expected);
  }
  result<std::vector<std::string_view>> list(const std::string& name, std::string_view expected) const {
    return list_of(signature_key, where_ + '.' + name, member(name), expected);
  }
  // Absent: nothing.
  result<std::optional<std::string>> word(const std::string& name, std::string_view expected) const {
    auto text = string_value(member(name));
    if (!text && !member(name).empty()) return bad(name, expected);
    return text;
  }

  result<void> read_name() {
    const auto name = word("name", "a string");
    if (!name) return tl::make_unexpected(name.error());
    if (!*name) return wrong(signature_key, where_ + " has no name");
    out_.spec.name = **name;
    return {};
  }

  result<void> read_type() {
    if (member("type").empty()) return {};
    constexpr std::string_view types = "one of number, double, integer, boolean, string";
    const auto text = word("type", types);
    if (!text) return tl::make_unexpected(text.error());
    out_.type = feature_type_of(**text);
    if (!out_.type) return bad("type", types);
    return {};
  }

  result<void> read_shape() {
    constexpr std::string_view expected = "a list of positive integers, 1000000 cells at most";
    const auto dims = list("shape", expected);
    if (!dims) return tl::make_unexpected(dims.error());
    std::uint64_t width = 1;
    for (const std::string_view dim : *dims) {
      const auto size = number_of(dim);
      if (!size || *size < 1 || *size > 1e6 || *size != std::floor(*size) ||
          (width *= static_cast<std::uint64_t>(*size)) > 1'000'000)
        return bad("shape", expected);
      out_.spec.dims.push_back(static_cast<std::int64_t>(*size));
    }
    return {};
  }

  // Absent: `is_text` stays as it is.
  result<void> read_replacement(const std::string& name, double& number, std::string& text,
                                std::optional<bool>& is_text) {
    const std::string_view literal = member(name);
    if (literal.empty()) return {};
    if (const auto told_text = string_value(literal))
      text = *told_text;
    else if (const auto told_number = number_of(literal))
      number = *told_number;
    else
      return bad(name, "a number or a string");
    is_text = literal.starts_with('"');
    return {};
  }

  result<void> read_missing() {
    feature_spec& spec = out_.spec;
    const std::string_view required = member("required");
    if (!required.empty() && required != "true" && required != "false") return bad("required", "true or false");
    if (required == "false") spec.on_missing = treatment::as_is;
    std::optional<bool> is_text;
    if (auto ok = read_replacement("missingValueReplacement", spec.missing_number, spec.missing_text, is_text); !ok)
      return ok;
    constexpr std::string_view expected = "returnInvalid, asIs, or asValue with a missingValueReplacement";
    const auto told = word("missingValueTreatment", expected);
    if (!told) return tl::make_unexpected(told.error());
    if (!*told && !is_text) return {};
    const std::string how = told->value_or("asValue");
    if (how == "returnInvalid")
      spec.on_missing = treatment::reject;
    else if (how == "asIs")
      spec.on_missing = treatment::as_is;
    // The means and modes are numbers by the time that a model is exported.
    else if ((how == "asValue" || how == "asMean" || how == "asMode" || how == "asMedian") && is_text)
      spec.on_missing = treatment::replace;
    else
      return bad("missingValueTreatment", expected);
    if (spec.on_missing == treatment::replace) out_.missing_is_text = is_text;
    return {};
  }

  result<void> read_invalid() {
    feature_spec& spec = out_.spec;
    std::optional<bool> is_text;
    if (auto ok = read_replacement("invalidValueReplacement", spec.invalid_number, spec.invalid_text, is_text); !ok)
      return ok;
    constexpr std::string_view expected = "returnInvalid, asIs, asMissing, or asValue with an invalidValueReplacement";
    const auto told = word("invalidValueTreatment", expected);
    if (!told) return tl::make_unexpected(told.error());
    if (!*told) return {};
    const std::string& how = **told;
    if (how == "returnInvalid") {
      spec.on_invalid = spec.on_wrong_type = treatment::reject;
    } else if (how == "asIs") {
      spec.on_invalid = treatment::as_is;
    } else if (how == "asMissing") {
      spec.on_invalid = spec.on_wrong_type = treatment::as_missing;
    } else if (how == "asValue" && is_text) {
      spec.on_invalid = spec.on_wrong_type = treatment::replace;
      out_.invalid_is_text = is_text;
    } else {
      return bad("invalidValueTreatment", expected);
    }
    return {};
  }

  result<void> read_known() {
    const auto categories = list("categories", "a list of strings");
    if (!categories) return tl::make_unexpected(categories.error());
    for (const std::string_view literal : *categories) {
      const auto category = string_value(literal);
      if (!category)
        return unexpected_value(signature_key, fmt::format("{}.categories[{}]", where_, out_.spec.categories.size()),
                                literal, "a string");
      out_.spec.categories.push_back(*category);
    }
    std::sort(out_.spec.categories.begin(), out_.spec.categories.end());
    constexpr std::string_view two_numbers = "[smallest, largest], two numbers";
    if (member("range").empty()) return {};
    const auto range = list("range", two_numbers);
    if (!range) return tl::make_unexpected(range.error());
    if (range->size() != 2) return bad("range", two_numbers);
    out_.spec.low = number_of(range->front());
    out_.spec.high = number_of(range->back());
    if (!out_.spec.low || !out_.spec.high || *out_.spec.low > *out_.spec.high) return bad("range", two_numbers);
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
  const auto features = list_of(signature_key, "features", (*values)[0], "a list of objects");
  if (!features) return tl::make_unexpected(features.error());
  if (auto ok = memory.charge(features->size() * feature_bytes, "the metadata troupe.signature: features"); !ok)
    return ok;
  for (const std::string_view json : *features) {
    auto feature = feature_reader{json, out.features.size()}.read();
    if (!feature) return tl::make_unexpected(feature.error());
    out.features.push_back(std::move(*feature));
  }
  if (const std::string_view positive = (*values)[1]; !positive.empty()) {
    const auto value = string_value(positive);
    if (!value && !number_of(positive))
      return unexpected_value(signature_key, "positive_class", positive, "a class: a string or a number");
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
  const auto rows = list_of(key, "rows", (*values)[0], "a list of objects");
  if (!rows) return tl::make_unexpected(rows.error());
  const auto expected = list_of(key, "expected", (*values)[1], "a list of results");
  if (!expected) return tl::make_unexpected(expected.error());
  golden_rows golden;
  golden.rows.assign(rows->begin(), rows->end());
  for (const std::string_view results : *expected) {
    std::vector<double> row;
    for (const std::string_view one : results.front() == '[' ? elements(results) : std::vector{results}) {
      const auto value = number_of(one);
      if (!value)
        return unexpected_value(key, fmt::format("expected[{}]", golden.expected.size()), one,
                                "a number, or a list of numbers");
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
  for (const auto& [text, key] : {std::pair{&texts.format, "troupe.format"},
                                  {&texts.signature, "troupe.signature"},
                                  {&texts.feature_names, "feature_names"},
                                  {&texts.golden, "troupe.golden"},
                                  {&texts.baseline, "troupe.baseline"}})
    if (*text && check_utf8(**text) != utf8_state::valid)
      return fail(errc::invalid, fmt::format("the metadata {} are not UTF-8", key));
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
