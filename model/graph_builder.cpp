#include "model/graph_builder.hpp"

#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/text.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t features_max = 100'000;     // the row parser's bound of fields
constexpr std::size_t width_max = 1u << 20;       // columns of a value
constexpr std::size_t total_width_max = 1u << 22; // columns of all values together: 16 MiB for a row
constexpr int nodes_max = 100'000;

struct known_value {
  value_type type;
  value_place place;
};

class builder {
public:
  explicit builder(const onnx::GraphProto& graph)
      : graph_(graph) {}

  result<compiled_graph> run() {
    if (graph_.node_size() > nodes_max)
      return fail(errc::invalid, fmt::format("the graph has more than {} nodes", nodes_max));
    for (const auto& tensor : graph_.initializer()) constants_.insert(tensor.name());
    for (const auto& node : graph_.node())
      for (const auto& output : node.output()) made_somewhere_.insert(output);
    if (auto ok = read_inputs(); !ok) return tl::make_unexpected(ok.error());
    for (const auto& node : graph_.node())
      if (auto ok = add_node(node); !ok) return tl::make_unexpected(ok.error());
    return finish();
  }

private:
  result<void> define(const std::string& name, known_value value, std::string_view maker) {
    if (constants_.count(name) != 0 || !values_.emplace(name, std::move(value)).second)
      return fail(errc::invalid,
                  fmt::format("the value {} is defined twice, the second time by {}", quoted(name), maker));
    return {};
  }

  result<void> read_inputs() {
    std::size_t inputs = 0;
    bool narrow = true;
    for (const auto& input : graph_.input()) {
      if (constants_.count(input.name()) != 0) continue; // before IR version 4 initializers were listed as inputs too
      const auto width = width_of(input);
      if (!width) return tl::make_unexpected(width.error());
      known_value value;
      value.type.width = *width;
      value.place = {0, compiled_.feature_count, *width};
      compiled_.feature_count += *width;
      if (compiled_.feature_count > features_max)
        return fail(errc::invalid, fmt::format("the inputs have more than {} columns", features_max));
      narrow = narrow && *width == 1;
      ++inputs;
      if (auto ok = define(input.name(), std::move(value), "an input"); !ok) return ok;
      compiled_.input_names.push_back(input.name());
    }
    if (inputs == 0) return fail(errc::invalid, "the graph has no input");
    compiled_.one_column_each = narrow && inputs > 1;
    slot_widths_.push_back(compiled_.feature_count);
    return {};
  }

  result<std::size_t> width_of(const onnx::ValueInfoProto& input) {
    const std::string name = quoted(input.name());
    if (!input.type().has_tensor_type())
      return fail(errc::unsupported, fmt::format("the input {} is not a tensor", name));
    const auto& tensor = input.type().tensor_type();
    const int type = tensor.elem_type();
    if (type != onnx::TensorProto::FLOAT && type != onnx::TensorProto::DOUBLE && type != onnx::TensorProto::INT64)
      return fail(
          errc::unsupported,
          fmt::format("the input {} has tensor type {}; only float, double and int64 are supported", name, type));
    const auto& shape = tensor.shape();
    if (shape.dim_size() != 2)
      return fail(errc::invalid,
                  fmt::format("the input {} has {} dimensions, expected [rows, columns]", name, shape.dim_size()));
    if (shape.dim(0).has_dim_value() && shape.dim(0).dim_value() > 1)
      return fail(errc::unsupported,
                  fmt::format("the input {} takes exactly {} rows; export it with any number of rows", name,
                              shape.dim(0).dim_value()));
    const std::int64_t width = shape.dim(1).dim_value();
    if (!shape.dim(1).has_dim_value() || width < 1 || width > static_cast<std::int64_t>(features_max))
      return fail(errc::invalid,
                  fmt::format("the input {} has {} columns, expected 1 to {}", name, width, features_max));
    return static_cast<std::size_t>(width);
  }

  result<void> add_node(const onnx::NodeProto& node) {
    attribute_reader attributes{node};
    const std::string_view domain = node.domain() == "ai.onnx" ? std::string_view{} : std::string_view{node.domain()};
    const operator_entry* entry = find_operator(domain, node.op_type());
    if (entry == nullptr) return tl::make_unexpected(unknown_operator(node));
    if (node.input_size() < entry->inputs_min || node.input_size() > entry->inputs_max)
      return attributes.wrong(fmt::format("it has {} inputs", node.input_size()));
    if (node.output_size() < 1 || node.output_size() > entry->outputs_max)
      return attributes.wrong(fmt::format("it has {} outputs", node.output_size()));

    std::vector<value_type> types;
    step next;
    for (const auto& name : node.input()) {
      const auto found = values_.find(name);
      if (found == values_.end()) return tl::make_unexpected(undefined(attributes, name));
      types.push_back(found->second.type);
      next.inputs.push_back(found->second.place);
    }
    auto built = entry->build(attributes, types);
    if (!built) return tl::make_unexpected(built.error());
    if (auto ok = attributes.nothing_else(); !ok) return ok;
    return place_outputs(node, attributes, std::move(*built), std::move(next));
  }

  result<void> place_outputs(const onnx::NodeProto& node, const attribute_reader& attributes, built_node built,
                             step next) {
    const bool alias = built.op == nullptr || (built.joins && side_by_side(next.inputs));
    for (std::size_t i = 0; i < built.outputs.size(); ++i) {
      const std::size_t width = built.outputs[i].width;
      value_place place{slot_widths_.size(), 0, width};
      if (alias) {
        place = {next.inputs[0].slot, next.inputs[0].offset, width};
      } else {
        total_width_ += width;
        if (width > width_max || total_width_ > total_width_max)
          return attributes.wrong("its result has too many columns");
        slot_widths_.push_back(width);
        next.outputs.push_back(place);
      }
      // A node may leave its last outputs unnamed: nobody needs them.
      const auto index = static_cast<int>(i);
      if (index >= node.output_size() || node.output(index).empty()) continue;
      if (auto ok = define(node.output(index), {built.outputs[i], place}, attributes.where()); !ok) return ok;
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
    if (constants_.count(name) != 0)
      return attributes
          .unsupported(fmt::format("its input {} is a constant, expected a value of the row", quoted(name)))
          .value();
    if (made_somewhere_.count(name) != 0)
      return attributes
          .wrong(fmt::format("its input {} is made only later: a cycle, or nodes out of order", quoted(name)))
          .value();
    return attributes.wrong(fmt::format("its input {} is defined nowhere", quoted(name))).value();
  }

  result<compiled_graph> finish() {
    const known_value* numbers = nullptr;
    const known_value* label = nullptr;
    for (const auto& output : graph_.output()) {
      const auto found = values_.find(output.name());
      if (found == values_.end())
        return fail(errc::invalid, fmt::format("no node makes the output {}", quoted(output.name())));
      const known_value*& which = found->second.type.kind == value_type::kind_type::label ? label : numbers;
      if (which != nullptr)
        return fail(errc::unsupported,
                    fmt::format("the output {} is one too many; expected a label and its probabilities, or values",
                                quoted(output.name())));
      which = &found->second;
    }
    if (numbers == nullptr)
      return fail(errc::unsupported, "the graph has no output of numbers (probabilities, scores or values)");
    std::optional<value_place> label_place;
    compiled_.classes = label != nullptr ? label->type.classes : numbers->type.classes;
    if (label != nullptr) label_place = label->place;
    if (compiled_.classes && compiled_.classes->names.size() != numbers->type.width)
      return fail(errc::invalid, fmt::format("the model has {} classes, but gives {} numbers",
                                             compiled_.classes->names.size(), numbers->type.width));
    drop_unneeded(numbers->place, label_place);
    compiled_.graph = std::make_shared<const evaluator>(std::move(slot_widths_), std::move(steps_), numbers->place,
                                                        label_place, numbers->type.probabilities);
    return std::move(compiled_);
  }

  void drop_unneeded(const value_place& numbers, const std::optional<value_place>& label) {
    std::vector<bool> needed(slot_widths_.size(), false);
    needed[numbers.slot] = true;
    if (label) needed[label->slot] = true;
    std::vector<step> kept;
    for (auto at = steps_.rbegin(); at != steps_.rend(); ++at) {
      bool wanted = false;
      for (const value_place& place : at->outputs) wanted = wanted || needed[place.slot];
      if (!wanted) continue;
      for (const value_place& place : at->inputs) needed[place.slot] = true;
      kept.insert(kept.begin(), std::move(*at));
    }
    steps_ = std::move(kept);
  }

  const onnx::GraphProto& graph_;
  std::set<std::string, std::less<>> constants_;
  std::set<std::string, std::less<>> made_somewhere_;
  std::map<std::string, known_value, std::less<>> values_;
  std::vector<std::size_t> slot_widths_;
  std::size_t total_width_ = 0;
  std::vector<step> steps_;
  compiled_graph compiled_;
};

} // namespace

result<compiled_graph> compile(const onnx::GraphProto& graph) { return builder{graph}.run(); }

} // namespace troupe::model
