#include "actors/librarian.hpp"

#include <array>

#include <caf/stateful_actor.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>

namespace troupe {
namespace {

/// Longest that one transfer to or from Kafka may take.
constexpr milliseconds transfer_limit{60'000};

} // namespace

std::string content_digest(std::span<const char> content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(content.data(), content.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

librarian_actor::behavior_type librarian(librarian_actor::stateful_pointer<librarian_state> self,
                                         std::shared_ptr<std::unique_ptr<model_store>> store) {
  self->state.store = std::move(*store);
  return {
      [](const librarian_prove& job) { return model::load_model(*job.content); },
      [self](const librarian_put& job) {
        return self->state.store->put(*job.content, content_digest(*job.content), transfer_limit);
      },
      [self](const librarian_load& job) -> result<loaded_model_ptr> {
        auto content = self->state.store->get(job.where, transfer_limit);
        if (!content) return tl::make_unexpected(content.error());
        return model::load_model(*content);
      },
  };
}

} // namespace troupe
