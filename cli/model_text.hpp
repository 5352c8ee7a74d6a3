#pragma once
// What troupe model show FILE prints: for people, where no text of the file reaches the terminal as anything but text,
// and as JSON with --json. Both tell the same.

#include <cstddef>
#include <string>

#include "model/loaded_model.hpp"

namespace troupe::cli {

/// `bytes`: the size of the file. No newline at the end.
std::string model_text(const model::loaded_model& model, std::size_t bytes);
std::string model_json(const model::loaded_model& model, std::size_t bytes);

} // namespace troupe::cli
