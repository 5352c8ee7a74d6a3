#include "cluster/row_block.hpp"

#include <bit>
#include <cstring>

#include <xxhash.h>

namespace troupe {

namespace {

static_assert(std::endian::native == std::endian::little,
              "blocks are copied in native order, which has to be the wire's");

/// What stands in front of every packed block; all little-endian, no padding.
struct block_header {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t kind; ///< 1 rows, 2 outcomes
  std::uint32_t rows;
  std::uint32_t bytes;
  std::uint64_t checksum; ///< XXH3 of all that follows, seeded with rows and bytes
};
static_assert(sizeof(block_header) == 24);

constexpr std::uint32_t block_magic = 0x4b4c4254; // "TBLK"
constexpr std::uint16_t block_version = 1;
enum block_kind : std::uint16_t { rows_kind = 1, outcomes_kind = 2 };

std::uint64_t checksum(const block_header& head, const char* body, std::size_t size) {
  auto seed = (std::uint64_t{head.rows} << 32 | head.bytes) ^ head.kind;
  return XXH3_64bits_withSeed(body, size, seed);
}

char* put(char* to, const void* from, std::size_t size) {
  if (size > 0) std::memcpy(to, from, size);
  return to + size;
}

std::vector<char> pack_parts(block_kind kind, const std::vector<std::uint32_t>& ends, const std::vector<char>& codes,
                             const std::vector<char>& bytes) {
  block_header head{block_magic,
                    block_version,
                    kind,
                    static_cast<std::uint32_t>(ends.size()),
                    static_cast<std::uint32_t>(bytes.size()),
                    0};
  std::vector<char> buffer(sizeof head + ends.size() * sizeof(std::uint32_t) + codes.size() + bytes.size());
  auto* body = buffer.data() + sizeof head;
  auto* at = put(body, ends.data(), ends.size() * sizeof(std::uint32_t));
  at = put(at, codes.data(), codes.size());
  put(at, bytes.data(), bytes.size());
  head.checksum = checksum(head, body, buffer.size() - sizeof head);
  std::memcpy(buffer.data(), &head, sizeof head);
  return buffer;
}

/// Reads and checks the header and the body's size and checksum; nothing is allocated before that.
bool read_header(const std::vector<char>& buffer, block_kind kind, std::size_t bytes_a_row, block_header& head) {
  if (buffer.size() < sizeof head) return false;
  std::memcpy(&head, buffer.data(), sizeof head);
  if (head.magic != block_magic || head.version != block_version || head.kind != kind) return false;
  auto body_size = std::uint64_t{head.rows} * bytes_a_row + head.bytes;
  if (body_size != buffer.size() - sizeof head) return false;
  return head.checksum == checksum(head, buffer.data() + sizeof head, body_size);
}

/// The checksum guards against accidents, not against a peer that computes it over nonsense: the ends are checked as
/// well.
bool ends_are_valid(const char* from, std::uint32_t rows, std::uint32_t bytes) {
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < rows; ++i) {
    std::uint32_t end = 0;
    std::memcpy(&end, from + std::size_t{i} * sizeof end, sizeof end);
    if (end < last) return false;
    last = end;
  }
  return last == bytes;
}

void read_ends(const char* from, std::uint32_t rows, std::vector<std::uint32_t>& ends) {
  ends.resize(rows);
  if (rows > 0) std::memcpy(ends.data(), from, rows * sizeof(std::uint32_t));
}

} // namespace

std::vector<char> pack(const row_block& block) { return pack_parts(rows_kind, block.ends, {}, block.bytes); }

std::vector<char> pack(const model::outcome_block& block) {
  return pack_parts(outcomes_kind, block.ends, block.codes, block.bytes);
}

bool unpack(const std::vector<char>& buffer, row_block& block) {
  block_header head{};
  if (!read_header(buffer, rows_kind, sizeof(std::uint32_t), head)) return false;
  const auto* body = buffer.data() + sizeof head;
  if (!ends_are_valid(body, head.rows, head.bytes)) return false;
  read_ends(body, head.rows, block.ends);
  const auto* bytes = body + std::size_t{head.rows} * sizeof(std::uint32_t);
  block.bytes.assign(bytes, bytes + head.bytes);
  return true;
}

bool unpack(const std::vector<char>& buffer, model::outcome_block& block) {
  block_header head{};
  if (!read_header(buffer, outcomes_kind, sizeof(std::uint32_t) + 1, head)) return false;
  const auto* body = buffer.data() + sizeof head;
  if (!ends_are_valid(body, head.rows, head.bytes)) return false;
  const auto* codes = body + std::size_t{head.rows} * sizeof(std::uint32_t);
  for (std::uint32_t i = 0; i < head.rows; ++i)
    if (static_cast<unsigned char>(codes[i]) >= model::rejection_count) return false;
  read_ends(body, head.rows, block.ends);
  block.codes.assign(codes, codes + head.rows);
  block.bytes.assign(codes + head.rows, codes + head.rows + head.bytes);
  return true;
}

} // namespace troupe
