"""A small convolutional net as ONNX: what the end-to-end tests score and bench/models.py times."""
import numpy
from onnx import TensorProto, helper, numpy_helper


def convolutional_net(random):
    """Images of 28 x 28 named `pixels`; two convolutions with pools, two dense layers, 10 probabilities. The weights
    come from `random`, a numpy Generator."""
    def weights(name, *shape):
        values = random.normal(0, (2 / numpy.prod(shape[1:])) ** 0.5, shape).astype(numpy.float32)
        return numpy_helper.from_array(values, name)
    made = [weights("w1", 8, 1, 3, 3), weights("w2", 16, 8, 3, 3), weights("w3", 64, 784), weights("w4", 10, 64)]
    for number, size in enumerate((8, 16, 64, 10), start=1):
        made.append(numpy_helper.from_array(numpy.zeros(size, numpy.float32), f"b{number}"))
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [helper.make_node("Conv", ["pixels", "w1", "b1"], ["c1"], **conv), helper.make_node("Relu", ["c1"], ["r1"]),
             helper.make_node("MaxPool", ["r1"], ["p1"], **pool),
             helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], **conv), helper.make_node("Relu", ["c2"], ["r2"]),
             helper.make_node("MaxPool", ["r2"], ["p2"], **pool), helper.make_node("Flatten", ["p2"], ["f"]),
             helper.make_node("Gemm", ["f", "w3", "b3"], ["g1"], transB=1), helper.make_node("Relu", ["g1"], ["r3"]),
             helper.make_node("Gemm", ["r3", "w4", "b4"], ["g2"], transB=1),
             helper.make_node("Softmax", ["g2"], ["probabilities"], axis=1)]
    graph = helper.make_graph(
        nodes, "cnn", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 10])], made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
