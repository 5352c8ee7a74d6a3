// Every attribute that an operator reads, and every way that one may name, is in a model with results of another
// runtime or library: one of the matrix, or one of those of one node or a few.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "model/json_text.hpp"
#include "model/native_loaders.hpp"
#include "model/operators/attributes.hpp"
#include "model/operators/operator.hpp"
#include "tests/model/base64.hpp"

using namespace troupe::model;

namespace {

const std::string golden = TROUPE_SOURCE_DIR "/tests/model/golden";

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(in.good(), path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void visit(const std::string& bytes, const std::function<void(const onnx::NodeProto&)>& see) {
  onnx::ModelProto model;
  BOOST_REQUIRE(model.ParseFromString(bytes));
  for (const auto& node : model.graph().node()) see(node);
}

void each_node(const std::function<void(const onnx::NodeProto&)>& see) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden))
    if (entry.path().extension() == ".onnx") visit(text_of(entry.path()), see);
  const std::string key = "model";
  for (const char* name : {"/tensors.jsonl", "/ml_nodes.jsonl", "/ml_pipelines.jsonl"}) {
    std::ifstream in(golden + name, std::ios::binary);
    for (std::string line; std::getline(in, line);)
      visit(from_base64(string_value(walk(line, &key, &key + 1).value_or("")).value_or("")), see);
  }
}

const onnx::AttributeProto* given(const onnx::NodeProto& node, std::string_view name) {
  const auto& all = node.attribute();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.name() == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string mode_of(std::int64_t value, const attribute_entry& entry) {
  if (entry.modes.data() == axis_signs.data()) return std::string{entry.modes[value < 0]};
  return std::to_string(value);
}

// The ways that the node goes by an attribute.
std::vector<std::string> modes_in(const onnx::NodeProto& node, const attribute_entry& entry) {
  const onnx::AttributeProto* found = given(node, entry.name);
  std::vector<std::string> modes;
  if (found == nullptr) {
    if (entry.modes.data() != axis_signs.data()) modes.emplace_back(entry.modes.front());
  } else if (found->type() == onnx::AttributeProto::STRING) {
    modes.push_back(found->s());
  } else if (found->type() == onnx::AttributeProto::INT) {
    modes.push_back(mode_of(found->i(), entry));
  } else {
    modes.assign(found->strings().begin(), found->strings().end());
    for (const std::int64_t value : found->ints()) modes.push_back(mode_of(value, entry));
  }
  return modes;
}

std::string line_for(std::string_view op, const attribute_entry& entry, std::string_view mode = "") {
  return fmt::format("{} {}{}{}", op, entry.name, mode.empty() ? "" : " = ", mode);
}

std::set<std::string> seen() {
  std::set<std::string> found;
  each_node([&](const onnx::NodeProto& node) {
    for (const attribute_entry& entry : attributes_of(node.op_type())) {
      if (entry.modes.empty() && given(node, entry.name) != nullptr) found.insert(line_for(node.op_type(), entry));
      if (entry.modes.empty()) continue;
      for (const std::string& mode : modes_in(node, entry)) found.insert(line_for(node.op_type(), entry, mode));
    }
  });
  return found;
}

std::vector<std::string> wanted() {
  std::vector<std::string> all;
  const std::string names = supported_operators() + ", ";
  for (std::size_t at = 0, comma = 0; (comma = names.find(", ", at)) != std::string::npos; at = comma + 2) {
    const std::string op = names.substr(at, comma - at);
    for (const attribute_entry& entry : attributes_of(op)) {
      if (entry.modes.empty()) all.push_back(line_for(op, entry));
      for (const std::string_view mode : entry.modes) all.push_back(line_for(op, entry, mode));
    }
  }
  return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(coverage)

BOOST_AUTO_TEST_CASE(attributes__each_and_each_of_its_modes__has_a_model) {
  const std::set<std::string> found = seen();
  const std::vector<std::string> all = wanted();
  BOOST_TEST(all.size() > 200u);
  for (const std::string& line : all) BOOST_TEST(found.count(line) == 1u, "no model has " << line);
}

// XGBoost's formats have the name as a text that nothing else has a place for, LightGBM's on a line of its own.
BOOST_AUTO_TEST_CASE(objectives__each_that_loads__has_a_file_of_its_library) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden + "/matrix")) {
    const std::string kind = entry.path().extension(), text = "\n" + text_of(entry.path());
    if (kind == ".json" || kind == ".ubj")
      for (const std::string_view name : xgboost_objectives())
        if (text.find(name) != std::string::npos) found.emplace(name);
    if (kind != ".txt") continue;
    const std::string key = "\nobjective=";
    const std::size_t at = text.find(key), begin = at + key.size();
    found.insert(at == std::string::npos ? "" : text.substr(begin, text.find_first_of(" \n", begin) - begin));
  }
  for (const auto& all : {xgboost_objectives(), lightgbm_objectives()})
    for (const std::string_view name : all) BOOST_TEST(found.count(std::string{name}) == 1u, "no file has " << name);
}

BOOST_AUTO_TEST_SUITE_END()
