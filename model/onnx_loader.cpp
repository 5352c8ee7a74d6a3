// Bytes of a file into a loaded_model, or the reason why not. Everything that is later trusted is checked on this way:
// here the outside of the file, in onnx_checks the parts that no operator looks at, in graph_builder the graph, in
// operators/ the attributes.
#include "model/loaded_model.hpp"

#include <limits>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <onnx/onnx_pb.h>

#include "model/binding.hpp"
#include "model/graph_builder.hpp"
#include "model/model_metadata.hpp"
#include "model/onnx_checks.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr int message_depth_max = 32; // an ONNX graph without subgraphs needs 8

result<onnx::ModelProto> parse_file(std::span<const char> file, const load_limits& limits) {
  if (file.empty()) return fail(errc::invalid, "the model file is empty");
  if (file.size() > limits.file_bytes_max || file.size() > std::size_t{std::numeric_limits<int>::max()})
    return fail(errc::invalid, fmt::format("the model file has {} bytes, more than the {} allowed", file.size(),
                                           limits.file_bytes_max));
  if (auto ok = check_magic(std::string_view{file.data(), file.size()}); !ok) return tl::make_unexpected(ok.error());
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(file.data()),
                                               static_cast<int>(file.size()));
  input.SetRecursionLimit(message_depth_max);
  onnx::ModelProto model;
  if (!model.ParseFromCodedStream(&input) || !input.ConsumedEntireMessage())
    return fail(errc::invalid, "the file is not an ONNX model, or it is truncated or damaged (protobuf can't read it)");
  return model;
}

result<metadata_texts> texts_of(const onnx::ModelProto& model) {
  metadata_texts texts;
  std::set<std::string> seen;
  for (const auto& entry : model.metadata_props()) {
    if (!seen.insert(entry.key()).second)
      return fail(errc::invalid, fmt::format("the metadata {} are there twice", quoted(entry.key())));
    if (entry.key() == "troupe.format") texts.format = entry.value();
    if (entry.key() == "troupe.baseline") texts.baseline = entry.value();
    if (entry.key() == "troupe.signature") texts.signature = entry.value();
    if (entry.key() == "feature_names") texts.feature_names = entry.value();
    if (entry.key() == "troupe.golden") texts.golden = entry.value();
  }
  return texts;
}

// The signature wins over feature_names, and both over the names of the inputs. None of them: nobody tells.
result<std::vector<feature_spec>> name_features(const model_metadata& metadata, const evaluator& graph) {
  if (!metadata.features.empty()) return features_of_signature(graph, metadata.features);
  if (!metadata.feature_names.empty()) return features_of_names(graph, metadata.feature_names, "the metadata");
  return features_of_inputs(graph).value_or(std::vector<feature_spec>{});
}

result<void> describe_classes(loaded_model& model, const model_metadata& metadata, const class_list& classes) {
  model.classes = classes.names;
  model.classes_are_numbers = classes.numbers;
  model.what = classes.names.size() == 2 ? task::binary_classifier : task::classifier;
  if (!metadata.positive_class) return {};
  if (model.what != task::binary_classifier)
    return fail(errc::invalid,
                fmt::format("the metadata troupe.signature name a positive class, but the model has {} classes",
                            classes.names.size()));
  for (std::size_t i = 0; i < 2; ++i)
    if (model.classes[i] == *metadata.positive_class) {
      model.positive_class = i;
      return {};
    }
  return fail(errc::invalid,
              fmt::format("the metadata troupe.signature name the positive class {}, which the model doesn't have",
                          quoted(*metadata.positive_class)));
}

std::vector<feature_slot> place_if_named(const loaded_model& model) {
  return model.features.empty() ? std::vector<feature_slot>{} : place_features(*model.graph, model.features);
}

} // namespace

result<std::shared_ptr<const loaded_model>> load_onnx(std::span<const char> file, const load_limits& limits) {
  const auto parsed = parse_file(file, limits);
  if (!parsed) return tl::make_unexpected(parsed.error());
  if (auto ok = check_model(*parsed); !ok) return tl::make_unexpected(ok.error());
  auto compiled = compile(*parsed);
  if (!compiled) return tl::make_unexpected(with_opsets(compiled.error(), *parsed));
  const auto texts = texts_of(*parsed);
  if (!texts) return tl::make_unexpected(texts.error());
  const auto metadata = read_metadata(*texts);
  if (!metadata) return tl::make_unexpected(metadata.error());

  auto model = std::make_shared<loaded_model>();
  model->name_in_file = parsed->graph().name().empty() ? parsed->producer_name() : parsed->graph().name();
  model->graph = compiled->graph;
  auto features = name_features(*metadata, *compiled->graph);
  if (!features) return tl::make_unexpected(features.error());
  model->features = std::move(*features);
  if (const auto found = wanted_features(place_if_named(*model), "the model file"); !found)
    return tl::make_unexpected(found.error());
  if (compiled->classes) {
    if (auto ok = describe_classes(*model, *metadata, *compiled->classes); !ok) return tl::make_unexpected(ok.error());
  } else {
    model->targets = compiled->graph->width();
  }
  if (metadata->golden) {
    const auto difference = check_golden(*model, *metadata->golden);
    if (!difference) return tl::make_unexpected(difference.error());
    model->golden_rows = metadata->golden->rows.size();
    model->golden_difference = *difference;
  }
  std::set<std::string> operators;
  for (const auto& node : parsed->graph().node()) operators.insert(node.op_type());
  model->operators.assign(operators.begin(), operators.end());
  return std::shared_ptr<const loaded_model>{std::move(model)};
}

} // namespace troupe::model
