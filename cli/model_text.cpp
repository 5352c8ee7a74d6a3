#include "cli/model_text.hpp"

#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "model/evaluator.hpp"
#include "model/text.hpp"

namespace troupe::cli {
namespace {

const char* word_of(model::task what) {
  switch (what) {
  case model::task::binary_classifier:
    return "binary classifier";
  case model::task::classifier:
    return "classifier";
  case model::task::regressor:
    break;
  }
  return "regressor";
}

const char* word_of(model::treatment how) {
  switch (how) {
  case model::treatment::reject:
    return "returnInvalid";
  case model::treatment::as_is:
    return "asIs";
  case model::treatment::as_missing:
    return "asMissing";
  case model::treatment::replace:
    break;
  }
  return "asValue";
}

// Columns of a row that a step reads, or makes.
std::size_t width_of(const std::vector<model::value_place>& places) {
  std::size_t width = 0;
  for (const model::value_place& place : places) width += place.width;
  return width;
}

// ---- for people ----

std::string joined(const std::vector<std::string>& texts, std::size_t most = 20) {
  std::string line;
  for (std::size_t i = 0; i < texts.size() && i < most; ++i) line += (i == 0 ? "" : ", ") + model::printable(texts[i]);
  if (texts.size() > most) line += fmt::format(", ... ({} in all)", texts.size());
  return line;
}

std::string type_of(const model::feature_spec& feature) {
  std::string text{model::to_string(feature.type)};
  if (!feature.dims.empty()) text += fmt::format(" [{}]", fmt::join(feature.dims, ", "));
  return text;
}

// "asIs", "asValue 0.5", "asValue oslo".
std::string treatment_of(const model::feature_spec& feature, model::treatment how, double number,
                         const std::string& text) {
  if (how != model::treatment::replace) return word_of(how);
  if (feature.type == model::feature_type::text) return std::string{word_of(how)} + ' ' + model::printable(text);
  return fmt::format("{} {:g}", word_of(how), number);
}

std::string known_of(const model::feature_spec& feature) {
  if (!feature.categories.empty()) return joined(feature.categories, 6);
  if (feature.low && feature.high) return fmt::format("{:g} to {:g}", *feature.low, *feature.high);
  return "-";
}

void add_features(std::string& text, const model::loaded_model& model) {
  constexpr std::size_t shown_max = 50;
  const auto out = std::back_inserter(text);
  if (model.features.empty()) {
    fmt::format_to(out, "features   {} columns without names: give them with --features or in the config\n",
                   model.graph->number_columns() + model.graph->text_columns());
    return;
  }
  fmt::format_to(out, "features\n  {:<24} {:<16} {:<14} {:<14} {}\n", "NAME", "TYPE", "MISSING", "INVALID", "KNOWN");
  for (std::size_t i = 0; i < model.features.size() && i < shown_max; ++i) {
    const model::feature_spec& feature = model.features[i];
    fmt::format_to(out, "  {:<24} {:<16} {:<14} {:<14} {}\n", model::printable(feature.name), type_of(feature),
                   treatment_of(feature, feature.on_missing, feature.missing_number, feature.missing_text),
                   treatment_of(feature, feature.on_invalid, feature.invalid_number, feature.invalid_text),
                   known_of(feature));
  }
  if (model.features.size() > shown_max) fmt::format_to(out, "  ... {} in all\n", model.features.size());
}

// ---- JSON ----

using json_writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(json_writer& json, const char* key, std::string_view text) {
  json.Key(key);
  json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put(json_writer& json, const char* key, std::size_t number) {
  json.Key(key);
  json.Uint64(number);
}

void put(json_writer& json, const char* key, const std::vector<std::string>& texts) {
  json.Key(key);
  json.StartArray();
  for (const std::string& text : texts) json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  json.EndArray();
}

void put_replacement(json_writer& json, const char* key, const model::feature_spec& feature, model::treatment how,
                     double number, const std::string& text) {
  if (how != model::treatment::replace) return;
  if (feature.type == model::feature_type::text) return put(json, key, text);
  json.Key(key);
  json.Double(number);
}

// The words of the signature (docs/model_format.md).
void put_feature(json_writer& json, const model::feature_spec& feature) {
  json.StartObject();
  put(json, "name", feature.name);
  put(json, "type", model::to_string(feature.type));
  json.Key("shape");
  json.StartArray();
  for (const std::int64_t size : feature.dims) json.Int64(size);
  json.EndArray();
  put(json, "missingValueTreatment", word_of(feature.on_missing));
  put_replacement(json, "missingValueReplacement", feature, feature.on_missing, feature.missing_number,
                  feature.missing_text);
  put(json, "invalidValueTreatment", word_of(feature.on_invalid));
  put_replacement(json, "invalidValueReplacement", feature, feature.on_invalid, feature.invalid_number,
                  feature.invalid_text);
  if (feature.low && feature.high) {
    json.Key("range");
    json.StartArray();
    json.Double(*feature.low);
    json.Double(*feature.high);
    json.EndArray();
  }
  if (!feature.categories.empty()) put(json, "categories", feature.categories);
  json.EndObject();
}

void put_plan(json_writer& json, const model::evaluator& graph) {
  json.Key("plan");
  json.StartObject();
  put(json, "rows_at_once", graph.rows_at_once());
  put(json, "bytes_a_thread", graph.scratch_bytes());
  json.Key("steps");
  json.StartArray();
  for (const model::step& step : graph.steps()) {
    json.StartObject();
    put(json, "name", step.name);
    put(json, "columns_in", width_of(step.inputs));
    put(json, "columns_out", width_of(step.outputs));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

} // namespace

std::string model_text(const model::loaded_model& model, std::size_t bytes) {
  std::string text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "model      {}, a {}\n",
                 model.name_in_file.empty() ? "without a name" : model::quoted(model.name_in_file),
                 word_of(model.what));
  fmt::format_to(out, "size       {} bytes\n", bytes);
  add_features(text, model);
  if (model.what == model::task::regressor)
    fmt::format_to(out, "values     {}\n", model.targets);
  else
    fmt::format_to(out, "classes    {}\n", joined(model.classes));
  if (model.what == model::task::binary_classifier)
    fmt::format_to(out, "positive   {}\n", model::printable(model.classes[model.positive_class]));
  fmt::format_to(out, "operators  {}\n", joined(model.operators, 100));
  fmt::format_to(out, "plan       {} steps, {} rows at once, {} KiB a thread\n", model.graph->steps().size(),
                 model.graph->rows_at_once(), model.graph->scratch_bytes() >> 10);
  for (const model::step& step : model.graph->steps())
    fmt::format_to(out, "  {:<40} {} -> {}\n", step.name, width_of(step.inputs), width_of(step.outputs));
  if (model.golden_rows == 0)
    text += "golden     no rows in the file";
  else
    fmt::format_to(out, "golden     {} rows reproduced, largest difference {:.2g}", model.golden_rows,
                   model.golden_difference);
  return text;
}

std::string model_json(const model::loaded_model& model, std::size_t bytes) {
  rapidjson::StringBuffer text;
  json_writer json{text};
  json.StartObject();
  put(json, "name", model::printable(model.name_in_file)); // the only text that need not be UTF-8
  put(json, "task", word_of(model.what));
  put(json, "bytes", bytes);
  json.Key("features");
  json.StartArray();
  for (const model::feature_spec& feature : model.features) put_feature(json, feature);
  json.EndArray();
  put(json, "columns", model.graph->number_columns() + model.graph->text_columns());
  if (model.what == model::task::regressor)
    put(json, "values", model.targets);
  else
    put(json, "classes", model.classes);
  if (model.what == model::task::binary_classifier) put(json, "positive_class", model.classes[model.positive_class]);
  put(json, "operators", model.operators);
  put_plan(json, *model.graph);
  put(json, "golden_rows", model.golden_rows);
  json.Key("golden_difference");
  json.Double(model.golden_difference);
  json.EndObject();
  return text.GetString();
}

} // namespace troupe::cli
