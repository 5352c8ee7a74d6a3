#pragma once
// Rows, and their outcomes, as they travel: shared and immutable inside a process, so that dispatching a batch, and
// dispatching it again, copies nothing; one length-prefixed, checksummed buffer between processes.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <caf/error.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/save_callback.hpp>
#include <caf/sec.hpp>

#include "model/scoring.hpp"

namespace troupe {

/// Values of records, one after another; row i ends at ends[i]. At most 2^32-1 bytes.
struct row_block {
  std::vector<char> bytes;
  std::vector<std::uint32_t> ends;
};

/// Packs a block into one buffer with lengths and an XXH3 checksum in front, and back. Little-endian, docs/protocol.md.
/// unpack_* checks everything (sizes, order of ends, checksum) before it allocates: the buffer is from the network.
std::vector<char> pack(const row_block& block);
std::vector<char> pack(const model::outcome_block& block);
bool unpack(const std::vector<char>& buffer, row_block& block);
bool unpack(const std::vector<char>& buffer, model::outcome_block& block);

/// A shared block that CAF can send: a pointer inside a process, the packed buffer on the wire.
template <class Block> struct shared_block {
  std::shared_ptr<const Block> block;
  explicit operator bool() const { return block != nullptr; }
  const Block& operator*() const { return *block; }
  const Block* operator->() const { return block.get(); }

  template <class I> friend typename I::result_type inspect(I& f, shared_block& x) {
    std::vector<char> buffer;
    if constexpr (I::reads_state)
      if (x.block) buffer = pack(*x.block);
    auto load = [&]() -> caf::error {
      x.block.reset();
      if (buffer.empty()) return caf::none;
      auto block = std::make_shared<Block>();
      if (!unpack(buffer, *block)) return caf::make_error(caf::sec::invalid_argument, "damaged block of rows");
      x.block = std::move(block);
      return caf::none;
    };
    return f(buffer, caf::meta::load_callback(load));
  }
};

using row_block_ptr = shared_block<row_block>;
using outcome_block_ptr = shared_block<model::outcome_block>;

} // namespace troupe
