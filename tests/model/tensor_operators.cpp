// What the tensor operators refuse, and what they make of labels; their numbers are in tensor_golden.
#include <boost/test/unit_test.hpp>

#include "model/evaluator.hpp"
#include "model/loaded_model.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace troupe::model;
using namespace troupe::model::testing;

namespace {

onnx::TensorProto& add_tensor(onnx::ModelProto& model, const std::string& name, const std::vector<std::int64_t>& dims,
                              int type) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (const std::int64_t size : dims) tensor->add_dims(size);
  return *tensor;
}

void add_constant(onnx::ModelProto& model, const std::string& name, const std::vector<std::int64_t>& dims,
                  const std::vector<float>& values) {
  auto& tensor = add_tensor(model, name, dims, onnx::TensorProto::FLOAT);
  for (const float value : values) tensor.add_float_data(value);
}

void add_integers(onnx::ModelProto& model, const std::string& name, const std::vector<std::int64_t>& values) {
  auto& tensor = add_tensor(model, name, {static_cast<std::int64_t>(values.size())}, onnx::TensorProto::INT64);
  for (const std::int64_t value : values) tensor.add_int64_data(value);
}

// X of these dimensions behind the batch.
onnx::ModelProto model_of(const std::vector<int>& dims, std::int64_t opset = 17) {
  onnx::ModelProto model = empty_model();
  model.mutable_opset_import(0)->set_version(opset);
  add_input(model, "X", dims.at(0));
  auto* shape = model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  for (std::size_t i = 1; i < dims.size(); ++i) shape->add_dim()->set_dim_value(dims[i]);
  add_output(model, "Y");
  return model;
}

onnx::NodeProto& add(onnx::ModelProto& model, const std::string& type, const std::vector<std::string>& inputs) {
  return add_node(model, type, inputs, {"Y"}, "");
}

std::string refusal(const onnx::ModelProto& model) {
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE(!loaded.has_value());
  return loaded.error().message;
}

bool has(const std::string& text, std::string_view part) {
  if (text.find(part) != std::string::npos) return true;
  BOOST_TEST_MESSAGE(text);
  return false;
}

// X -> a node with a constant of integers as its second input.
std::string refusal_with(const std::string& type, const std::vector<std::int64_t>& integers,
                         const std::vector<int>& dims = {2, 3}) {
  auto model = model_of(dims);
  add_integers(model, "c", integers);
  add(model, type, {"X", "c"});
  return refusal(model);
}

} // namespace

BOOST_AUTO_TEST_SUITE(tensor_operators)

BOOST_AUTO_TEST_CASE(load__what_would_mix_rows__refused) {
  auto transposed = model_of({3});
  add_ints(add(transposed, "Transpose", {"X"}), "perm", {1, 0});
  BOOST_TEST(has(refusal(transposed), "Transpose (node 'the Transpose'): perm moves the batch"));
  BOOST_TEST(has(refusal_with("Reshape", {-1, 3}), "its shape would mix rows: they have 6 elements"));
  BOOST_TEST(has(refusal_with("Reshape", {3, -1}), "its shape has 3 in the place of the batch"));
  BOOST_TEST(has(refusal_with("ReduceSum", {0}), "axis 0 is the batch"));
  BOOST_TEST(has(refusal_with("CumSum", {0}), "axis 0 is the batch"));
  BOOST_TEST(has(refusal_with("GatherElements", {1}), "expected data and indices that are both computed from the row"));
  BOOST_TEST(has(refusal_with("Squeeze", {0}), "axis 0 is the batch"));
  BOOST_TEST(has(refusal_with("Unsqueeze", {0}), "axis 0 is the batch"));
  BOOST_TEST(has(refusal_with("Tile", {2, 1, 1}), "it repeats the batch"));
  BOOST_TEST(has(refusal_with("Pad", {1, 0, 0, 0, 0, 0}), "axis 0 is the batch"));
  BOOST_TEST(has(refusal_with("Expand", {4, 2, 3}), "a constant has 4 where the other input has the batch"));
  BOOST_TEST(has(refusal_with("Expand", {1, 1, 2, 3}), "a constant has more dimensions than the value of the row"));
  for (const char* type : {"ArgMax", "ReduceMean", "GlobalAveragePool"}) {
    auto model = model_of({3});
    add(model, type, {"X"});
    BOOST_TEST(!refusal(model).empty(), type);
  }
  auto softmax = model_of({3});
  add_int(add(softmax, "Softmax", {"X"}), "axis", 0);
  BOOST_TEST(has(refusal(softmax), "axis 0 is the batch"));
  auto gathered = model_of({3});
  add_integers(gathered, "c", {0});
  add(gathered, "Gather", {"X", "c"}); // its axis is 0 unless it says so
  BOOST_TEST(has(refusal(gathered), "axis 0 is the batch"));
  auto gemm = model_of({3});
  add_constant(gemm, "W", {3, 2}, {1, 2, 3, 4, 5, 6});
  add_int(add(gemm, "Gemm", {"X", "W"}), "transA", 1);
  BOOST_TEST(has(refusal(gemm), "transA moves the batch"));
  auto products = model_of({3});
  add(products, "MatMul", {"X", "X"});
  BOOST_TEST(has(refusal(products), "no matrices whose sums stay within a row"));
}

BOOST_AUTO_TEST_CASE(load__shapes_that_do_not_fit__refused_by_name) {
  BOOST_TEST(has(refusal_with("Reshape", {0, 4}), "its shape does not fit 6 elements"));
  BOOST_TEST(has(refusal_with("Reshape", {0, 4, -1}), "its shape does not fit 6 elements"));
  BOOST_TEST(has(refusal_with("Reshape", {0, -1, -1}), "its shape has -1 twice"));
  BOOST_TEST(has(refusal_with("Reshape", {0, -2}), "its shape has the dimension -2"));
  BOOST_TEST(has(refusal_with("Reshape", {0, 0, 0, 0}), "copies dimension 3, which its input does not have"));
  BOOST_TEST(has(refusal_with("Squeeze", {1}), "it takes away a dimension of 2 elements"));
  BOOST_TEST(has(refusal_with("ReduceSum", {1, -2}), "axis -2 is there twice"));
  BOOST_TEST(has(refusal_with("ReduceSum", {3}), "axis 3 is outside"));
  BOOST_TEST(has(refusal_with("CumSum", {3}), "axis 3 is outside"));
  BOOST_TEST(has(refusal_with("CumSum", {1, 2}), "its input axis is not one number"));
  BOOST_TEST(has(refusal_with("TopK", {4}), "k is 4 of 3 elements"));
  auto gathered = model_of({3});
  add_integers(gathered, "c", {3});
  add_int(add(gathered, "Gather", {"X", "c"}), "axis", 1);
  BOOST_TEST(has(refusal(gathered), "its index 3 is outside of 3 elements"));
  auto picked = model_of({3});
  add(picked, "GatherElements", {"X", "X"});
  BOOST_TEST(has(refusal(picked), "its indices are no integers"));
  auto product = model_of({3});
  add_constant(product, "W", {2, 2}, {1, 2, 3, 4});
  add(product, "MatMul", {"X", "W"});
  BOOST_TEST(has(refusal(product), "it multiplies 3 columns by 2 rows"));
  auto sum = model_of({3});
  add_constant(sum, "c", {2}, {1, 2});
  add(sum, "Add", {"X", "c"});
  BOOST_TEST(has(refusal(sum), "its inputs have 3 and 2 elements along a dimension"));
  auto bias = model_of({3});
  add_constant(bias, "W", {3, 2}, {1, 2, 3, 4, 5, 6});
  add_constant(bias, "b", {2, 1}, {1, 2});
  add(bias, "Gemm", {"X", "W", "b"});
  BOOST_TEST(has(refusal(bias), "its input C does not fit a row of 2 columns"));
}

BOOST_AUTO_TEST_CASE(load__sizes_beyond_all_bounds__refused_before_anything_is_made) {
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  BOOST_TEST(has(refusal_with("Tile", {1, huge, huge}), "repeats has an entry out of range"));
  BOOST_TEST(has(refusal_with("Tile", {1, 1 << 21, 1 << 21}), "more than 4194304 elements"));
  BOOST_TEST(has(refusal_with("Expand", {1, huge, 2, 3}), "more dimensions"));
  BOOST_TEST(has(refusal_with("Expand", {huge, 2, 1}, {1, 1, 1}), "more than 4194304 elements"));
  BOOST_TEST(has(refusal_with("Pad", {0, huge, 0, 0, huge, 0}), "not supported"));
  BOOST_TEST(has(refusal_with("Reshape", {0, huge, 4}), "does not fit"));
  BOOST_TEST(has(refusal_with("Unsqueeze", std::vector<std::int64_t>(40, 1)), "expected 1 to 16 axes"));
  // Constants that double, node after node.
  auto doubling = model_of({3});
  add_constant(doubling, "c0", {4}, {1, 2, 3, 4});
  for (int i = 0; i < 60; ++i) {
    const std::string name = "c" + std::to_string(i);
    add_int(add_node(doubling, "Concat", {name, name}, {"c" + std::to_string(i + 1)}, ""), "axis", 0);
  }
  BOOST_TEST(has(refusal(doubling), "more than 16777216 elements"));
  auto grown = model_of({3});
  add_integers(grown, "s", {1 << 11, 1 << 11, 3});
  add(grown, "Expand", {"X", "s"});
  BOOST_TEST(has(refusal(grown), "a constant has more dimensions"));
}

BOOST_AUTO_TEST_CASE(load__windows_that_do_not_fit__refused) {
  const auto conv = [](const std::vector<std::int64_t>& dims, const auto& change) {
    auto model = model_of({2, 4, 4});
    std::int64_t size = 1;
    for (const std::int64_t dim : dims) size *= dim;
    add_constant(model, "W", dims, std::vector<float>(static_cast<std::size_t>(size), 1));
    change(add(model, "Conv", {"X", "W"}));
    return refusal(model);
  };
  const auto as_it_is = [](onnx::NodeProto&) {};
  BOOST_TEST(has(conv({1, 3, 2, 2}, as_it_is), "its input W takes 3 channels in 1 groups, its input has 2"));
  BOOST_TEST(has(conv({1, 2, 5, 1}, as_it_is), "its window of 5 is larger than the 4 it slides over"));
  BOOST_TEST(has(conv({1, 2, 2}, as_it_is), "its input W must be floats of 4 dimensions"));
  BOOST_TEST(has(conv({1, 2, 2, 2}, [](auto& node) { add_ints(node, "strides", {0, 1}); }), "strides has the entry 0"));
  BOOST_TEST(has(conv({1, 2, 2, 2}, [](auto& node) { add_ints(node, "pads", {1, 1}); }), "pads has 2 entries"));
  BOOST_TEST(has(conv({1, 2, 2, 2}, [](auto& node) { add_int(node, "group", 0); }), "in 0 groups"));
  BOOST_TEST(has(conv({1, 2, 2, 2},
                      [](auto& node) {
                        add_ints(node, "pads", {1 << 20, 1 << 20, 1 << 20, 1 << 20});
                      }),
                 "more than 4194304 elements"));
  BOOST_TEST(has(conv({1, 2, 2, 2},
                      [](auto& node) {
                        add_ints(node, "dilations", {1 << 20, 1 << 20});
                        add_text(node, "auto_pad", "SAME_UPPER");
                      }),
                 "its window spreads over more than 1048576 elements"));
  BOOST_TEST(has(conv({1, 2, 2, 2}, [](auto& node) { add_text(node, "auto_pad", "SOME"); }), "auto_pad"));
  auto pool = model_of({2, 4, 4});
  auto& node = add(pool, "MaxPool", {"X"});
  add_ints(node, "kernel_shape", {2, 2});
  add_ints(node, "pads", {2, 0, 0, 0});
  BOOST_TEST(has(refusal(pool), "its padding is as large as its window"));
}

BOOST_AUTO_TEST_CASE(load__types_that_do_not_fit__refused) {
  auto mixed = model_of({3});
  add_integers(mixed, "c", {1, 2, 3});
  add(mixed, "Add", {"X", "c"});
  BOOST_TEST(has(refusal(mixed), "its inputs have the types float and int64"));
  auto logic = model_of({3});
  add(logic, "Not", {"X"});
  BOOST_TEST(has(refusal(logic), "its input 0 is not bool"));
  auto text = model_of({3});
  text.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::STRING);
  add(text, "Relu", {"X"});
  BOOST_TEST(has(refusal(text), "its input 0 is text, expected numbers"));
  auto computed = model_of({3});
  add(computed, "Reshape", {"X", "X"});
  BOOST_TEST(has(refusal(computed), "its input shape is computed from the row, only a constant is supported"));
  auto extra = model_of({3});
  add_int(add(extra, "Relu", {"X"}), "alpha", 1);
  BOOST_TEST(has(refusal(extra), "alpha"));
}

BOOST_AUTO_TEST_CASE(arg_max__over_the_columns__is_the_label) {
  for (const std::int64_t keep : {0, 1}) {
    auto model = model_of({3});
    add_node(model, "Softmax", {"X"}, {"P"}, "");
    auto& best = add(model, "ArgMax", {"P"});
    add_int(best, "axis", 1);
    add_int(best, "keepdims", keep);
    add_output(model, "P");
    const auto loaded = load_onnx(model.SerializeAsString());
    BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
    BOOST_TEST((*loaded)->classes == (std::vector<std::string>{"0", "1", "2"}), boost::test_tools::per_element());
    BOOST_TEST((*loaded)->classes_are_numbers);
    const evaluator& graph = *(*loaded)->graph;
    BOOST_TEST(graph.probabilities());
    auto scratch = graph.make_scratch();
    const double rows[] = {0, 3, 1, 5, 5, -1};
    graph.load(rows, nullptr, 2, scratch);
    graph.run(2, scratch);
    BOOST_TEST(graph.label(scratch, 0) == 1u);
    BOOST_TEST(graph.label(scratch, 1) == 0u); // the first of equals
  }
}

// As SimpleImputer fills holes in texts.
BOOST_AUTO_TEST_CASE(where__texts_and_a_constant__chooses_texts) {
  auto model = model_of({2});
  model.mutable_opset_import(1)->set_version(2);
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::STRING);
  auto& filled = add_tensor(model, "filled", {1, 2}, onnx::TensorProto::STRING);
  for (const char* text : {"a text that no short string holds", "b"}) filled.add_string_data(text);
  auto& hole = add_node(model, "LabelEncoder", {"X"}, {"hole"});
  add_strings(hole, "keys_strings", {"none"});
  add_ints(hole, "values_int64s", {1});
  add_int(hole, "default_int64", 0);
  add_int(add_node(model, "Cast", {"hole"}, {"is_hole"}, ""), "to", onnx::TensorProto::BOOL);
  add_node(model, "Where", {"is_hole", "filled", "X"}, {"text"}, "");
  auto& number = add_node(model, "LabelEncoder", {"text"}, {"Y"});
  add_strings(number, "keys_strings", {"a text that no short string holds", "b", "c"});
  add_floats(number, "values_floats", {1, 2, 3});
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  auto scratch = (*loaded)->graph->make_scratch();
  const std::string_view rows[] = {"none", "c", "c", "none"};
  (*loaded)->graph->load(nullptr, rows, 2, scratch);
  (*loaded)->graph->run(2, scratch);
  const float expected[2][2] = {{1, 3}, {3, 2}};
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t k = 0; k < 2; ++k) BOOST_TEST((*loaded)->graph->numbers(scratch, i)[k] == expected[i][k]);

  filled.set_data_type(onnx::TensorProto::INT64);
  filled.clear_string_data();
  for (const int value : {1, 2}) filled.add_int64_data(value);
  BOOST_TEST(has(refusal(model), "its inputs have the types int64 and string"));
}

BOOST_AUTO_TEST_CASE(divide__integers_by_0__is_0) {
  auto model = model_of({2});
  model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::INT64);
  add_integers(model, "c", {7});
  add(model, "Div", {"c", "X"});
  const auto loaded = load_onnx(model.SerializeAsString());
  BOOST_REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().message));
  auto scratch = (*loaded)->graph->make_scratch();
  const double row[] = {0, 2};
  (*loaded)->graph->load(row, nullptr, 1, scratch);
  (*loaded)->graph->run(1, scratch);
  BOOST_TEST((*loaded)->graph->numbers(scratch, 0)[0] == 0.0F);
  BOOST_TEST((*loaded)->graph->numbers(scratch, 0)[1] == 3.0F);
}

BOOST_AUTO_TEST_SUITE_END()
