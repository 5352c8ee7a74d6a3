#include "model/graph_builder.hpp"

#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/fuse.hpp"
#include "model/onnx_tensor.hpp"
#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t features_max = 1'000'000;   // columns of all inputs together
constexpr std::size_t width_max = 1u << 22;       // cells of a value
constexpr std::size_t total_width_max = 1u << 24; // cells of all values together
// What is charged for a node and for a column, without what they hold: names, types, steps, features.
constexpr std::size_t node_bytes = 512;
constexpr std::size_t column_bytes = 256;
// And for a cell of an input or output: where it is found, a factor and a term.
constexpr std::size_t cell_table_bytes = 16;
constexpr int nodes_max = 1'000'000; // compiling takes some microseconds each
constexpr int dimensions_max = 8;

struct known_value {
  value_type type;
  value_place place;
};

std::optional<element> element_of_input(int type) {
  switch (type) {
  case onnx::TensorProto::FLOAT:
    return element::f32;
  case onnx::TensorProto::DOUBLE:
    return element::f64;
  case onnx::TensorProto::INT64:
  case onnx::TensorProto::INT32:
    return element::i64;
  case onnx::TensorProto::BOOL:
    return element::boolean;
  case onnx::TensorProto::STRING:
    return element::text;
  default:
    return std::nullopt;
  }
}

class builder {
public:
  builder(const onnx::ModelProto& model, memory_budget& memory)
      : memory_(memory)
      , graph_(model.graph())
      , opset_(opset_of(model, ""))
      , ml_opset_(opset_of(model, "ai.onnx.ml")) {}

  result<compiled_graph> run() {
    if (graph_.node_size() > nodes_max)
      return fail(errc::invalid,
                  fmt::format("the graph has {} nodes, at most {} are allowed", graph_.node_size(), nodes_max));
    for (const auto& tensor : graph_.initializer()) initializers_.emplace(tensor.name(), &tensor);
    for (const auto& node : graph_.node())
      for (const auto& output : node.output()) made_somewhere_.insert(output);
    if (auto ok = read_inputs(); !ok) return tl::make_unexpected(ok.error());
    for (const auto& node : graph_.node())
      if (auto ok = add_node(node); !ok) return tl::make_unexpected(ok.error());
    return finish();
  }

private:
  bool is_constant(const std::string& name) const {
    return initializers_.count(name) != 0 || constants_.count(name) != 0;
  }

  result<void> not_yet_defined(const std::string& name, std::string_view maker) const {
    if (is_constant(name) || values_.count(name) != 0)
      return fail(errc::invalid,
                  fmt::format("the value {} is defined twice, the second time by {}", quoted(name), maker));
    return {};
  }

  // ---- inputs ----

  result<void> read_inputs() {
    std::size_t columns = 0;
    for (const auto& input : graph_.input()) {
      if (initializers_.count(input.name()) != 0)
        continue; // before IR version 4 initializers were listed as inputs too
      auto type = type_of(input);
      if (!type) return tl::make_unexpected(type.error());
      columns += type->width();
      if (columns > features_max)
        return fail(errc::invalid, fmt::format("the inputs have more than {} columns", features_max));
      if (auto ok = memory_.charge(type->width() * column_bytes, "the input " + quoted(input.name())); !ok) return ok;
      if (auto ok = not_yet_defined(input.name(), "an input"); !ok) return ok;
      const value_place place = place_input(*type);
      values_[input.name()] = {*type, place};
      inputs_.push_back({input.name(), std::move(*type), place, 0});
    }
    if (inputs_.empty()) return fail(errc::invalid, "the graph has no input");
    return {};
  }

  // Inputs of one type share a slot: exporters join them first thing, which is nothing to do where they lie together.
  value_place place_input(const value_type& type) {
    std::size_t slot = 0;
    while (slot < slots_.size() && slots_[slot].type != type.type) ++slot;
    if (slot == slots_.size()) slots_.push_back({type.type, 0});
    const value_place place{slot, slots_[slot].width, type.width()};
    slots_[slot].width += place.width;
    return place;
  }

  static result<value_type> type_of(const onnx::ValueInfoProto& input) {
    const std::string name = quoted(input.name());
    if (!input.type().has_tensor_type())
      return fail(errc::unsupported, fmt::format("the input {} is not a tensor", name));
    const auto& tensor = input.type().tensor_type();
    const auto type = element_of_input(tensor.elem_type());
    if (!type)
      return fail(errc::unsupported,
                  fmt::format("the input {} has tensor type {}; supported are float, double, int64, int32, bool and "
                              "string",
                              name, tensor.elem_type()));
    const auto& shape = tensor.shape();
    if (shape.dim_size() < 1 || shape.dim_size() > dimensions_max)
      return fail(errc::invalid,
                  fmt::format("the input {} has {} dimensions, expected [rows, columns]", name, shape.dim_size()));
    if (shape.dim(0).has_dim_value() && shape.dim(0).dim_value() > 1)
      return fail(errc::unsupported,
                  fmt::format("the input {} takes exactly {} rows; export it with any number of rows", name,
                              shape.dim(0).dim_value()));
    value_type out{*type, {}, nullptr, false, false};
    std::uint64_t width = 1;
    for (int i = 1; i < shape.dim_size(); ++i) {
      const std::int64_t size = shape.dim(i).dim_value();
      if (!shape.dim(i).has_dim_value() || size < 1 || size > static_cast<std::int64_t>(features_max) ||
          (width *= static_cast<std::uint64_t>(size)) > features_max)
        return fail(errc::invalid,
                    fmt::format("the input {} has {} columns, expected 1 to {}", name, size, features_max));
      out.dims.push_back(size);
    }
    return out;
  }

  // ---- nodes ----

  static std::int64_t opset_of(const onnx::ModelProto& model, std::string_view domain) {
    for (const auto& opset : model.opset_import())
      if (opset.domain() == domain || (domain.empty() && opset.domain() == "ai.onnx")) return opset.version();
    return 1;
  }

  result<void> add_node(const onnx::NodeProto& node) {
    const std::string_view domain = node.domain() == "ai.onnx" ? std::string_view{} : std::string_view{node.domain()};
    attribute_reader attributes{node, domain.empty() ? opset_ : ml_opset_, memory_};
    std::size_t bytes = node_bytes;
    const operator_entry* entry = find_operator(domain, node.op_type());
    if (entry == nullptr) return tl::make_unexpected(unknown_operator(node));
    if (node.input_size() < entry->inputs_min || node.input_size() > entry->inputs_max)
      return attributes.wrong(fmt::format("it has {} inputs", node.input_size()));
    if (node.output_size() < 1 || node.output_size() > entry->outputs_max)
      return attributes.wrong(fmt::format("it has {} outputs", node.output_size()));

    std::vector<known_value> values; // of the inputs that are values of the row
    values.reserve(static_cast<std::size_t>(node.input_size()));
    std::vector<node_input> inputs;
    for (const auto& name : node.input()) {
      inputs.emplace_back();
      if (name.empty()) continue; // an optional input that is left out
      const auto fixed = find_constant(name);
      if (!fixed) return tl::make_unexpected(fixed.error());
      if (*fixed != nullptr) {
        inputs.back().fixed = *fixed;
        bytes += (*fixed)->bytes(); // the operation takes it in, or makes another constant of it
        continue;
      }
      const auto found = values_.find(name);
      if (found == values_.end()) return tl::make_unexpected(undefined(attributes, name));
      values.push_back(entry->floats ? as_floats(found->second) : found->second);
      bytes += values.back().place.width * cell_table_bytes;
      inputs.back().value = &values.back().type;
    }
    if (auto ok = attributes.charge(bytes); !ok) return ok;
    auto built = entry->build(attributes, inputs);
    if (!built) return tl::make_unexpected(built.error());
    if (auto ok = attributes.nothing_else(); !ok) return ok;
    if (built->fixed) return define_constant(node, attributes, std::move(*built->fixed));
    step next;
    next.name = node.op_type();
    for (const known_value& value : values) next.inputs.push_back(value.place);
    return place_outputs(node, attributes, std::move(*built), std::move(next));
  }

  // Made of the initializer the first time a node asks for it.
  result<const constant*> find_constant(const std::string& name) {
    if (const auto known = constants_.find(name); known != constants_.end()) return &known->second;
    const auto found = initializers_.find(name);
    if (found == initializers_.end()) return nullptr;
    if (auto ok = memory_.charge(constant_bytes(*found->second), "the initializer " + quoted(name)); !ok)
      return tl::make_unexpected(ok.error());
    return &constants_.emplace(name, to_constant(*found->second)).first->second;
  }

  result<void> define_constant(const onnx::NodeProto& node, const attribute_reader& attributes, constant value) {
    if (auto ok = not_yet_defined(node.output(0), attributes.where()); !ok) return ok;
    constants_.emplace(node.output(0), std::move(value));
    return {};
  }

  known_value as_floats(const known_value& value) {
    const element type = value.type.type;
    if (type == element::f32 || type == element::text || value.type.label) return value;
    known_value converted = value;
    converted.type.type = element::f32;
    converted.place = {slots_.size(), 0, value.place.width};
    slots_.push_back({element::f32, value.place.width});
    total_width_ += value.place.width;
    steps_.push_back({make_conversion(type, element::f32), "Cast", {value.place}, {converted.place}});
    return converted;
  }

  result<void> place_outputs(const onnx::NodeProto& node, const attribute_reader& attributes, built_node built,
                             step next) {
    const bool alias = built.op == nullptr || (built.joins && side_by_side(next.inputs));
    for (std::size_t i = 0; i < built.outputs.size(); ++i) {
      const std::size_t width = built.outputs[i].width();
      value_place place{slots_.size(), 0, width};
      if (alias) {
        place = {next.inputs[0].slot, next.inputs[0].offset, width};
      } else {
        total_width_ += width;
        if (width > width_max || total_width_ > total_width_max)
          return attributes.wrong("its result has too many columns");
        if (auto ok = attributes.charge(width * cell_table_bytes); !ok) return ok;
        slots_.push_back({built.outputs[i].type, width});
        next.outputs.push_back(place);
      }
      // A node may leave its last outputs unnamed: nobody needs them.
      const auto index = static_cast<int>(i);
      if (index >= node.output_size() || node.output(index).empty()) continue;
      if (auto ok = not_yet_defined(node.output(index), attributes.where()); !ok) return ok;
      values_[node.output(index)] = {built.outputs[i], place};
    }
    if (alias) return {};
    next.op = std::move(built.op);
    steps_.push_back(std::move(next));
    return {};
  }

  static bool side_by_side(const std::vector<value_place>& places) {
    for (std::size_t i = 1; i < places.size(); ++i)
      if (places[i].slot != places[i - 1].slot || places[i].offset != places[i - 1].offset + places[i - 1].width)
        return false;
    return true;
  }

  error unknown_operator(const onnx::NodeProto& node) const {
    const std::string domain = node.domain().empty() ? "ai.onnx" : node.domain();
    return {errc::unsupported,
            fmt::format("the operator {} of {} (node {}) is not supported; supported are {}", quoted(node.op_type()),
                        quoted(domain), quoted(node.name()), supported_operators())};
  }

  error undefined(const attribute_reader& attributes, const std::string& name) const {
    if (made_somewhere_.count(name) != 0)
      return attributes
          .wrong(fmt::format("its input {} is made only later: a cycle, or nodes out of order", quoted(name)))
          .value();
    return attributes.wrong(fmt::format("its input {} is defined nowhere", quoted(name))).value();
  }

  // ---- the result ----

  result<compiled_graph> finish() {
    const known_value* numbers = nullptr;
    const known_value* label = nullptr;
    for (const auto& output : graph_.output()) {
      const auto found = values_.find(output.name());
      if (found == values_.end())
        return fail(errc::invalid,
                    is_constant(output.name())
                        ? fmt::format("the output {} is a constant", quoted(output.name()))
                        : fmt::format("no node makes the output {} of the graph", quoted(output.name())));
      if (found->second.type.type == element::text)
        return fail(errc::unsupported,
                    fmt::format("the output {} is text that is no class label", quoted(output.name())));
      const known_value*& which = found->second.type.label ? label : numbers;
      if (which != nullptr)
        return fail(errc::unsupported,
                    fmt::format("the output {} is one too many; expected a label and its probabilities, or values",
                                quoted(output.name())));
      which = &found->second;
    }
    if (numbers == nullptr)
      return fail(errc::unsupported, "the graph has no output of numbers (probabilities, scores or values)");
    compiled_graph compiled;
    compiled.classes = label != nullptr ? label->type.classes : numbers->type.classes;
    const known_value floats = as_floats(*numbers);
    graph_result given{floats.place, std::nullopt, floats.type.probabilities};
    if (label != nullptr) given.label = label->place;
    // Scores that come with a label may be of anything, as those of an SVM's pairs of classes are.
    const bool one_a_class = label == nullptr || floats.type.probabilities;
    if (compiled.classes && one_a_class && compiled.classes->names.size() != floats.place.width)
      return fail(errc::invalid, fmt::format("the model has {} classes, but gives {} numbers",
                                             compiled.classes->names.size(), floats.place.width));
    drop_unneeded(given);
    const std::size_t results[] = {given.numbers.slot, given.label ? given.label->slot : given.numbers.slot};
    fuse(steps_, results);
    compiled.graph =
        std::make_shared<const evaluator>(std::move(slots_), std::move(inputs_), std::move(steps_), std::move(given));
    if (auto ok = memory_.charge(compiled.graph->scratch_bytes(), "a batch of rows"); !ok)
      return tl::make_unexpected(ok.error());
    return compiled;
  }

  void drop_unneeded(const graph_result& given) {
    std::vector<bool> needed(slots_.size(), false);
    needed[given.numbers.slot] = true;
    if (given.label) needed[given.label->slot] = true;
    std::vector<step> kept;
    for (auto at = steps_.rbegin(); at != steps_.rend(); ++at) {
      bool wanted = false;
      for (const value_place& place : at->outputs) wanted = wanted || needed[place.slot];
      if (!wanted) continue;
      for (const value_place& place : at->inputs) needed[place.slot] = true;
      kept.push_back(std::move(*at));
    }
    steps_.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  }

  memory_budget& memory_;
  const onnx::GraphProto& graph_;
  std::int64_t opset_, ml_opset_; // no other domain has operators here
  std::map<std::string, const onnx::TensorProto*, std::less<>> initializers_;
  std::map<std::string, constant, std::less<>> constants_; // initializers that were asked for, and folded nodes
  std::set<std::string, std::less<>> made_somewhere_;
  std::map<std::string, known_value, std::less<>> values_;
  std::vector<graph_input> inputs_;
  std::vector<slot_shape> slots_;
  std::size_t total_width_ = 0;
  std::vector<step> steps_;
};

} // namespace

result<compiled_graph> compile(const onnx::ModelProto& model, memory_budget& memory) {
  return builder{model, memory}.run();
}

} // namespace troupe::model
