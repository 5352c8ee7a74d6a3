// What a file may ask for: many nodes are no harm, and what a small file blows up is refused before it is there.
#include <boost/test/unit_test.hpp>

#include <string>
#include <type_traits>
#include <vector>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe;
using namespace troupe::model;
using namespace troupe::model::testing;
using namespace std::string_literals;

namespace {

// X [N,3] -> `count` times + X -> Y.
onnx::ModelProto sums(int count) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 3);
  std::string before = "X";
  for (int i = 1; i <= count; ++i) {
    const std::string made = i == count ? "Y" : "v" + std::to_string(i);
    add_node(model, "Add", {before, "X"}, {made}, "");
    before = made;
  }
  add_output(model, "Y");
  return model;
}

// The refusal of a file under a budget of 64 MiB. Each of those below is smaller than 5 MB.
std::string refusal(const std::string& file) {
  BOOST_REQUIRE(file.size() < 5'000'000);
  troupe::model::load_limits limits;
  limits.memory_bytes_max = 64u << 20;
  const auto loaded = load_model(file, limits);
  BOOST_REQUIRE(!loaded.has_value());
  BOOST_TEST((loaded.error().code == errc::invalid));
  return loaded.error().message;
}
std::string refusal(const onnx::ModelProto& model) { return refusal(model.SerializeAsString()); }

void check_names(const std::string& message, const std::string& who) {
  BOOST_TEST(message.find(who + " would take ") != std::string::npos, "'" << who << "' is not named by: " << message);
  BOOST_TEST(message.find("MiB are left that loading a model may take; make it smaller") != std::string::npos, message);
}

template <class T> void add_constant(onnx::ModelProto& model, const std::string& name, const std::vector<T>& values) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->add_dims(static_cast<std::int64_t>(values.size()));
  constexpr bool floats = std::is_same_v<T, float>;
  tensor->set_data_type(floats ? onnx::TensorProto::FLOAT : onnx::TensorProto::INT64);
  for (const T value : values) {
    if constexpr (floats)
      tensor->add_float_data(value);
    else
      tensor->add_int64_data(value);
  }
}

// X [N, width], and a constant of one number expanded to `dims`, which is called W.
onnx::ModelProto with_expanded(int width, const std::vector<std::int64_t>& dims) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", width);
  add_output(model, "Y");
  add_constant<float>(model, "one", {1});
  add_constant<std::int64_t>(model, "dims", dims);
  add_node(model, "Expand", {"one", "dims"}, {"W"}, "");
  return model;
}

} // namespace

BOOST_AUTO_TEST_SUITE(load_limits)

BOOST_AUTO_TEST_CASE(load_onnx__empty_messages_of_two_bytes__refused_while_they_are_parsed) {
  std::string nodes;
  for (int i = 0; i < 1'000'000; ++i) nodes += "\x0A"s + '\0';
  std::string file = "\x3A"s; // the graph, and its length
  for (std::size_t left = nodes.size(); left > 0; left >>= 7)
    file += static_cast<char>((left & 127) | (left > 127 ? 128 : 0));
  const std::string message = refusal(file + nodes);
  BOOST_TEST(message.find("parsing the first ") == 0u, message);
  check_names(message, "bytes of the file");
}

BOOST_AUTO_TEST_CASE(load_onnx__constant_that_a_node_blows_up__refused) {
  check_names(refusal(with_expanded(3, {4096, 4096})), "Expand (node 'the Expand')");
}

BOOST_AUTO_TEST_CASE(load_onnx__constant_that_many_nodes_take_in__refused) {
  auto model = with_expanded(1024, {1024, 1024});
  for (int i = 0; i < 40; ++i)
    add_node(model, "MatMul", {"X", "W"}, {"v" + std::to_string(i)}, "").set_name("m" + std::to_string(i));
  const std::string message = refusal(model);
  BOOST_TEST(message.find("MatMul (node 'm") == 0u, message);
}

BOOST_AUTO_TEST_CASE(load_onnx__wide_value_that_many_nodes_read__refused) {
  onnx::ModelProto model = empty_model();
  add_input(model, "X", 100'000);
  add_output(model, "Y");
  for (int i = 0; i < 100; ++i) {
    auto& node = add_node(model, "ReduceMax", {"X"}, {"v" + std::to_string(i)}, "");
    node.set_name("r" + std::to_string(i));
    add_ints(node, "axes", {1});
  }
  const std::string message = refusal(model);
  BOOST_TEST(message.find("ReduceMax (node 'r") == 0u, message);
}

BOOST_AUTO_TEST_CASE(load_onnx__padding_of_a_small_image__refused) {
  onnx::ModelProto model = empty_model();
  auto* input = model.mutable_graph()->add_input();
  input->set_name("X");
  auto* tensor = input->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(onnx::TensorProto::FLOAT);
  tensor->mutable_shape()->add_dim();
  for (int i = 0; i < 3; ++i) tensor->mutable_shape()->add_dim()->set_dim_value(1);
  add_output(model, "Y");
  auto* weights = model.mutable_graph()->add_initializer();
  weights->set_name("W");
  weights->set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t size : {1, 1, 1, 1}) weights->add_dims(size);
  weights->add_float_data(1);
  for (int i = 0; i < 8; ++i) {
    auto& node = add_node(model, "Conv", {"X", "W"}, {"v" + std::to_string(i)}, "");
    node.set_name("c" + std::to_string(i));
    add_ints(node, "pads", {1000, 1000, 1000, 1000});
    add_ints(node, "strides", {1000, 1000});
  }
  const std::string message = refusal(model);
  BOOST_TEST(message.find("Conv (node 'c") == 0u, message);
}

BOOST_AUTO_TEST_CASE(load_onnx__pairs_of_classes_by_columns__refused) {
  constexpr int classes = 100, width = 100'000;
  onnx::ModelProto model = empty_model();
  add_input(model, "X", width);
  auto& node = add_node(model, "SVMClassifier", {"X"}, {"label", "scores"});
  std::vector<std::int64_t> labels, of_class(classes, 0);
  for (int i = 0; i < classes; ++i) labels.push_back(i);
  of_class[0] = 1;
  add_ints(node, "classlabels_ints", labels);
  add_ints(node, "vectors_per_class", of_class);
  add_floats(node, "support_vectors", std::vector<float>(width, 1));
  add_floats(node, "coefficients", std::vector<float>(classes - 1, 1));
  add_floats(node, "rho", std::vector<float>(classes * (classes - 1) / 2, 0));
  add_text(node, "kernel_type", "LINEAR");
  add_output(model, "label");
  add_output(model, "scores");
  check_names(refusal(model), "SVMClassifier (node 'the SVMClassifier')");
}

BOOST_AUTO_TEST_CASE(load_onnx__wide_inputs_and_long_metadata__refused) {
  onnx::ModelProto wide = empty_model();
  add_input(wide, "X", 300'000);
  check_names(refusal(wide), "the input 'X'");
  const auto with = [](const std::string& key, const std::string& value) {
    onnx::ModelProto model = regressor();
    model.clear_metadata_props();
    add_metadata(model, key, value);
    return refusal(model);
  };
  const auto list = [](const std::string& element) {
    std::string all = "[" + element;
    for (int i = 0; i < 1'000'000; ++i) all += "," + element;
    return all + "]";
  };
  check_names(with("troupe.signature", "{\"features\":" + list("{}") + "}"), "the metadata troupe.signature: features");
  check_names(with("feature_names", list("\"\"")), "the metadata feature_names");
  check_names(with("troupe.golden", "{\"rows\":" + list("0") + "}"), "the metadata troupe.golden");
}

BOOST_AUTO_TEST_CASE(load_model__native_formats_that_blow_up__refused) {
  // {"learner": an array of bytes}
  const std::string count = "l\x00\x48\x00\x00"s;
  const std::string numbers = refusal("{U\x07learner[$U#"s + count + std::string(0x48'0000, '\1') + "}");
  BOOST_TEST(numbers.find("the XGBoost model: at byte ") == 0u, numbers);
  check_names(numbers, "one more value");
  std::string arrays = "{\"learner\":[[]";
  for (int i = 0; i < 1'000'000; ++i) arrays += ",[]";
  check_names(refusal(arrays + "]}"), "one more value");
  check_names(refusal("tree\nmax_feature_idx=999998\n\n"), "the LightGBM model: its features");
}

// Whatever it is, the first thing that finds no room says so.
BOOST_AUTO_TEST_CASE(load_model__no_memory_at_all__refused) {
  troupe::model::load_limits limits;
  limits.memory_bytes_max = 0;
  const auto loaded = load_model(regressor().SerializeAsString(), limits);
  BOOST_REQUIRE(!loaded.has_value());
  check_names(loaded.error().message, "the file's own content");
}

BOOST_AUTO_TEST_CASE(load_onnx__100000_nodes__are_compiled_and_share_their_memory) {
  const auto loaded = load_onnx(sums(100'000).SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  const evaluator& graph = *(*loaded)->graph;
  BOOST_TEST(graph.steps().size() == 100'000u);
  auto scratch = graph.make_scratch();
  const double row[] = {1, -2, 0};
  graph.load(row, nullptr, 1, scratch);
  graph.run(1, scratch);
  BOOST_TEST(graph.numbers(scratch, 0)[0] == 100'001.0F);
  BOOST_TEST(graph.numbers(scratch, 0)[1] == -200'002.0F);
  // The input, and two values that take turns.
  const std::size_t value_bytes = (graph.rows_at_once() * 3 * sizeof(float) + 63) / 64 * 64;
  BOOST_TEST(graph.scratch_bytes() == 3 * value_bytes);
}

BOOST_AUTO_TEST_SUITE_END()
