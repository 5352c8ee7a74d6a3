// Fuzzes the loaders of model files, all formats: which one it is, the first bytes say. `./dev fuzz models`.
#include "tests/fuzz/load_and_score.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::model::testing::load_and_score({reinterpret_cast<const char*>(data), size});
  return 0;
}
