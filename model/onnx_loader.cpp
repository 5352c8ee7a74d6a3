// Bytes of a file into a loaded_model, or the reason why not. Everything that is later trusted is checked on this way:
// here the outside of the file, in onnx_checks the parts that no operator looks at, in graph_builder the graph, in
// operators/ the attributes.
#include "model/loaded_model.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <onnx/onnx_pb.h>

#include "model/binding.hpp"
#include "model/graph_builder.hpp"
#include "model/memory_budget.hpp"
#include "model/model_metadata.hpp"
#include "model/onnx_checks.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr int message_depth_max = 32; // an ONNX graph without subgraphs needs 8

// A parsed file, in memory of its own.
struct onnx_file {
  google::protobuf::Arena arena;
  onnx::ModelProto* model = google::protobuf::Arena::CreateMessage<onnx::ModelProto>(&arena);
};

// The bytes of a file, piece by piece, as long as what was made of those before is within the budget: two bytes can be
// an empty node, which takes a hundred times as much.
class measured_input final : public google::protobuf::io::ZeroCopyInputStream {
public:
  measured_input(std::span<const char> file, std::size_t piece_bytes, const google::protobuf::Arena& arena,
                 memory_budget& memory)
      : file_(file)
      , piece_bytes_(piece_bytes)
      , arena_(arena)
      , memory_(memory) {}
  bool Next(const void** data, int* size) override {
    const std::size_t allocated = arena_.SpaceAllocated();
    charged_ = memory_.charge(allocated - measured_, fmt::format("parsing the first {} bytes of the file", at_));
    measured_ = allocated;
    if (!charged_ || at_ == file_.size()) return false;
    const std::size_t count = std::min(piece_bytes_, file_.size() - at_);
    *data = file_.data() + at_;
    *size = static_cast<int>(count);
    at_ += count;
    return true;
  }
  void BackUp(int count) override { at_ -= static_cast<std::size_t>(count); }
  bool Skip(int count) override { // of the fields that nobody knows
    const std::size_t left = file_.size() - at_;
    at_ += std::min(left, static_cast<std::size_t>(count));
    return static_cast<std::size_t>(count) <= left;
  }
  std::int64_t ByteCount() const override { return static_cast<std::int64_t>(at_); }
  /// Why it ended before the file did.
  const result<void>& charged() const { return charged_; }

private:
  std::span<const char> file_;
  std::size_t piece_bytes_;
  const google::protobuf::Arena& arena_;
  memory_budget& memory_;
  std::size_t at_ = 0, measured_ = 0;
  result<void> charged_;
};

bool parse_message(measured_input& from, onnx::ModelProto& model) {
  google::protobuf::io::CodedInputStream input(&from);
  input.SetRecursionLimit(message_depth_max);
  return model.ParseFromCodedStream(&input) && input.ConsumedEntireMessage();
}

// About where a file ends to be a message. Protobuf doesn't say, but it asks for no more pieces than it needs.
std::int64_t fault_of(std::span<const char> file, const load_limits& limits) {
  onnx_file parsed;
  memory_budget memory{limits.memory_bytes_max};
  measured_input measured{file, 64, parsed.arena, memory};
  (void)parse_message(measured, *parsed.model);
  return measured.ByteCount();
}

result<std::unique_ptr<onnx_file>> parse_file(std::span<const char> file, const load_limits& limits,
                                              memory_budget& memory) {
  if (file.empty()) return fail(errc::invalid, "the model file is empty");
  if (file.size() > limits.file_bytes_max || file.size() > std::size_t{std::numeric_limits<int>::max()})
    return fail(errc::invalid, fmt::format("the model file has {} bytes, more than the {} allowed", file.size(),
                                           limits.file_bytes_max));
  if (auto ok = check_magic(std::string_view{file.data(), file.size()}); !ok) return tl::make_unexpected(ok.error());
  // Texts and raw data are not in the arena; together they are at most as large as the file.
  if (auto ok = memory.charge(file.size(), "the file's own content"); !ok) return tl::make_unexpected(ok.error());
  auto parsed = std::make_unique<onnx_file>();
  measured_input measured{file, 1u << 16, parsed->arena, memory};
  const bool whole = parse_message(measured, *parsed->model);
  if (!measured.charged()) return tl::make_unexpected(measured.charged().error());
  if (!whole)
    return fail(errc::invalid,
                fmt::format("the file is not an ONNX model, or it is truncated or damaged: protobuf can't "
                            "read it beyond about byte {} of {}",
                            fault_of(file, limits), file.size()));
  return parsed;
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
  memory_budget memory{limits.memory_bytes_max};
  const auto file_read = parse_file(file, limits, memory);
  if (!file_read) return tl::make_unexpected(file_read.error());
  const onnx::ModelProto& parsed = *(*file_read)->model;
  if (auto ok = check_model(parsed); !ok) return tl::make_unexpected(ok.error());
  auto compiled = compile(parsed, memory);
  if (!compiled) return tl::make_unexpected(with_opsets(compiled.error(), parsed));
  const auto texts = texts_of(parsed);
  if (!texts) return tl::make_unexpected(texts.error());
  const auto metadata = read_metadata(*texts, memory);
  if (!metadata) return tl::make_unexpected(metadata.error());

  auto model = std::make_shared<loaded_model>();
  model->name_in_file = parsed.graph().name().empty() ? parsed.producer_name() : parsed.graph().name();
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
  for (const auto& node : parsed.graph().node()) operators.insert(node.op_type());
  model->operators.assign(operators.begin(), operators.end());
  return std::shared_ptr<const loaded_model>{std::move(model)};
}

} // namespace troupe::model
