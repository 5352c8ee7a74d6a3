#include "cli/json_out.hpp"

#include <string>

#include <openssl/evp.h>
#include <rapidjson/encodings.h>
#include <rapidjson/memorystream.h>

namespace troupe::cli {
namespace {

struct nowhere {
  void Put(char) {}
};

bool is_utf8(std::string_view bytes) {
  rapidjson::MemoryStream in{bytes.data(), bytes.size()};
  nowhere out;
  while (in.Tell() < bytes.size())
    if (!rapidjson::UTF8<>::Validate(in, out)) return false;
  return true;
}

} // namespace

void write_text(json_writer& out, std::string_view text) {
  out.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void write_bytes(json_writer& out, std::string_view bytes) {
  if (is_utf8(bytes)) return write_text(out, bytes);
  std::string encoded((bytes.size() + 2) / 3 * 4 + 1, '\0');
  auto length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.StartObject();
  out.Key("base64");
  write_text(out, {encoded.data(), static_cast<std::size_t>(length)});
  out.EndObject();
}

} // namespace troupe::cli
