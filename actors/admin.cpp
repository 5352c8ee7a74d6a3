#include "actors/admin.hpp"

#include <limits>

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <spdlog/spdlog.h>

#include "cluster/control_records.hpp"
#include "cluster/json_text.hpp"

namespace troupe {
namespace {

using self_ptr = admin_actor::stateful_pointer<admin_state>;
using promise = caf::typed_response_promise<admin_reply>;
using json_writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr milliseconds node_limit{3'000}, forward_limit{20'000}, put_limit{180'000};
constexpr auto int64_max = std::numeric_limits<std::int64_t>::max();

admin_reply refuse(std::string sentence) { return {false, std::move(sentence)}; }

std::string random_id(self_ptr self) {
  return fmt::format("{:016x}{:016x}", self->state.random(), self->state.random());
}

// ---- questions
// --------------------------------------------------------------------------------------------------------

/// {"cluster": what the coordinator knows, or null, "problem": why null, "node": what the asked node knows}
void answer_status(self_ptr self, promise reply, const change_reply& cluster) {
  self->request(self->state.node, node_limit, local_view_atom::value)
      .then(
          [reply, cluster](const std::string& local) mutable {
            rapidjson::StringBuffer text;
            json_writer json{text};
            json.StartObject();
            json.Key("cluster");
            if (cluster.ok)
              json.RawValue(cluster.body.data(), cluster.body.size(), rapidjson::kObjectType);
            else
              json.Null();
            if (!cluster.ok) {
              json.Key("problem");
              json.String(cluster.message.data(), static_cast<rapidjson::SizeType>(cluster.message.size()));
            }
            json.Key("node");
            json.RawValue(local.data(), local.size(), rapidjson::kObjectType);
            json.EndObject();
            reply.deliver(admin_reply{true, {text.GetString(), text.GetSize()}});
          },
          [reply](caf::error&) mutable { reply.deliver(refuse("the node actor does not answer")); });
}

caf::result<admin_reply> status(self_ptr self) {
  auto reply = self->make_response_promise<promise>();
  self->request(self->state.node, node_limit, forward_change{{random_id(self), "status", "{}"}})
      .then([=](const change_reply& cluster) { answer_status(self, reply, cluster); },
            [=](caf::error& why) {
              answer_status(self, reply, {false, true, self->system().render(why), {}, {}});
            });
  return reply;
}

// ---- changes
// ----------------------------------------------------------------------------------------------------------

admin_reply to_people(const change_reply& done) {
  if (!done.ok) return refuse(done.message);
  rapidjson::StringBuffer text;
  json_writer json{text};
  json.StartObject();
  json.Key("message");
  json.String(done.message.data(), static_cast<rapidjson::SizeType>(done.message.size()));
  json.Key("offset");
  json.Int64(done.offset.value);
  json.Key("result");
  json.RawValue(done.body.empty() ? "{}" : done.body.data(), done.body.empty() ? 2 : done.body.size(),
                rapidjson::kObjectType);
  json.EndObject();
  return {true, {text.GetString(), text.GetSize()}};
}

void finish(self_ptr self, const std::string& id, admin_reply answer) {
  auto pending = self->state.changes.extract(id);
  if (!pending.empty()) pending.mapped().reply.deliver(std::move(answer));
}

/// Sends a pending change to the coordinator; again after a while if nobody could take it.
void send_change(self_ptr self, const std::string& id) {
  auto pending = self->state.changes.find(id);
  if (pending == self->state.changes.end()) return;
  auto again = [=](const std::string& why) {
    auto found = self->state.changes.find(id);
    if (found == self->state.changes.end()) return;
    if (self->clock().now() >= found->second.give_up) return finish(self, id, refuse(why));
    self->delayed_send(self, self->state.cfg.change_retry, retry_change{id});
  };
  self->request(self->state.node, forward_limit, forward_change{pending->second.change})
      .then(
          [=](const change_reply& done) {
            if (done.ok || !done.try_again)
              finish(self, id, to_people(done));
            else
              again(done.message);
          },
          [=](caf::error& why) { again("the node actor does not answer: " + self->system().render(why)); });
}

void start_change(self_ptr self, promise reply, const std::string& kind, std::string body) {
  auto id = random_id(self);
  self->state.changes[id] = {reply, {id, kind, std::move(body)}, self->clock().now() + self->state.cfg.change_limit};
  send_change(self, id);
}

caf::result<admin_reply> change(self_ptr self, const std::string& kind, const std::string& body) {
  auto reply = self->make_response_promise<promise>();
  start_change(self, reply, kind, body);
  return reply;
}

// ---- model files
// ------------------------------------------------------------------------------------------------------

void forget_idle_uploads(self_ptr self) {
  auto oldest = self->clock().now() - self->state.cfg.upload_idle;
  std::erase_if(self->state.uploads, [&](auto& entry) { return entry.second.touched < oldest; });
}

std::string name_rule(const std::string& text, const char* whose) {
  return fmt::format("'{}' can't be {} name: use a-z, 0-9, '_', '.', '-', at most 64, beginning with a letter or digit",
                     text, whose);
}

/// {"name", "bytes", "alias"?, "features"?: [...]} -> {"upload": id}
admin_reply begin_upload(self_ptr self, const std::string& body) {
  auto& s = self->state;
  json::object_reader request{"the request", body};
  admin_state::upload fresh;
  fresh.name = request.text("name");
  fresh.alias = request.text("alias", false);
  fresh.bytes = static_cast<std::uint64_t>(request.number("bytes", 0, int64_max));
  fresh.features = request.texts("features", false);
  if (request.failed()) return refuse(request.error());
  if (!is_name(fresh.name)) return refuse(name_rule(fresh.name, "a model's"));
  if (!fresh.alias.empty() && !is_name(fresh.alias)) return refuse(name_rule(fresh.alias, "an alias's"));
  if (fresh.bytes == 0 || fresh.bytes > s.cfg.model_bytes_max)
    return refuse(
        fmt::format("a model file of {} bytes is refused: it may have 1 to {}", fresh.bytes, s.cfg.model_bytes_max));
  forget_idle_uploads(self);
  if (s.uploads.size() >= s.cfg.uploads_max)
    return refuse("too many model files are being pushed to this node; try again in a minute");
  fresh.content = std::make_shared<std::vector<char>>();
  fresh.touched = self->clock().now();
  auto id = random_id(self);
  s.uploads[id] = std::move(fresh);
  return {true, fmt::format("{{\"upload\":\"{}\"}}", id)};
}

/// {"upload", "at": bytes sent before} + blob -> {}
admin_reply take_chunk(self_ptr self, const admin_request& request) {
  json::object_reader body{"the request", request.body};
  auto id = body.text("upload");
  auto at = static_cast<std::uint64_t>(body.number("at", 0, int64_max));
  if (body.failed()) return refuse(body.error());
  auto found = self->state.uploads.find(id);
  if (found == self->state.uploads.end()) return refuse("this upload is not known (any more); push the file again");
  auto& upload = found->second;
  if (at != upload.content->size()) return refuse("a part of the file is missing; push it again");
  if (upload.content->size() + request.blob.size() > upload.bytes)
    return refuse("the file is longer than was announced; push it again");
  upload.content->insert(upload.content->end(), request.blob.begin(), request.blob.end());
  upload.touched = self->clock().now();
  return {true, "{}"};
}

std::string manifest(const admin_state::upload& upload, const blob_location& where) {
  rapidjson::StringBuffer text;
  json_writer json{text};
  auto put = [&](const char* name, const std::string& value) {
    json.Key(name);
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  json.StartObject();
  put("name", upload.name);
  put("sha256", where.sha256);
  json.Key("bytes");
  json.Uint64(where.bytes);
  json.Key("first_offset");
  json.Int64(where.first_offset);
  json.Key("chunks");
  json.Uint(where.chunks);
  json.Key("features");
  json.StartArray();
  for (auto& name : upload.features) json.String(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  json.EndArray();
  if (!upload.alias.empty()) put("alias", upload.alias);
  json.EndObject();
  return {text.GetString(), text.GetSize()};
}

void store_upload(self_ptr self, promise reply, const admin_state::upload& upload) {
  self->request(self->state.librarian, put_limit, librarian_put{upload.content})
      .then(
          [=](const result<blob_location>& where) mutable {
            if (!where) {
              reply.deliver(refuse(where.error().message));
              return;
            }
            spdlog::info("admin: {} bytes of model {} are in the models topic", where->bytes, upload.name);
            start_change(self, reply, "register_model", manifest(upload, *where));
          },
          [=](caf::error& why) mutable {
            reply.deliver(refuse("the file could not be stored: " + self->system().render(why)));
          });
}

/// A model that no pipeline could use is refused before it gets a version.
void check_fit(self_ptr self, promise reply, const admin_state::upload& upload, const loaded_model_ptr& model) {
  self->request(self->state.node, node_limit, fit_check{upload.name, upload.features, model})
      .then(
          [=](const std::string& why_not) mutable {
            if (why_not.empty()) return store_upload(self, reply, upload);
            reply.deliver(refuse(why_not));
          },
          [=](caf::error&) mutable { reply.deliver(refuse("the node actor does not answer")); });
}

/// {"upload"} -> what register_model says. Proved, found to fit, stored, registered.
caf::result<admin_reply> commit_upload(self_ptr self, const std::string& body) {
  json::object_reader request{"the request", body};
  auto node = self->state.uploads.extract(request.text("upload"));
  if (request.failed()) return refuse(request.error());
  if (node.empty()) return refuse("this upload is not known (any more); push the file again");
  auto upload = std::move(node.mapped());
  if (upload.content->size() != upload.bytes) return refuse("the file is shorter than was announced; push it again");
  auto reply = self->make_response_promise<promise>();
  self->request(self->state.librarian, put_limit, librarian_prove{upload.content})
      .then(
          [=](const result<loaded_model_ptr>& model) mutable {
            if (!model) {
              reply.deliver(refuse(model.error().message));
              return;
            }
            if (upload.features.empty()) upload.features = (*model)->feature_names();
            check_fit(self, reply, upload, *model);
          },
          [=](caf::error& why) mutable {
            reply.deliver(refuse("the file could not be checked: " + self->system().render(why)));
          });
  return reply;
}

caf::result<admin_reply> serve(self_ptr self, const admin_request& request) {
  if (request.verb == "status") return status(self);
  if (request.verb == "model.begin") return begin_upload(self, request.body);
  if (request.verb == "model.chunk") return take_chunk(self, request);
  if (request.verb == "model.commit") return commit_upload(self, request.body);
  if (request.verb == "model.alias") return change(self, "set_alias", request.body);
  if (request.verb == "pipeline.resume") return change(self, "resume_pipeline", request.body);
  if (request.verb == "node.drain") {
    spdlog::info("admin: this node is asked to hand over and leave");
    self->send(self->state.node, leave_atom::value);
    return admin_reply{true, "{}"};
  }
  if (request.verb == "node.remove") return change(self, "remove_node", request.body);
  return refuse("'" + request.verb + "' is not something this version can do");
}

} // namespace

admin_actor::behavior_type admin(self_ptr self, admin_config cfg, node_actor node, librarian_actor librarian) {
  self->state.cfg = cfg;
  self->state.node = std::move(node);
  self->state.librarian = std::move(librarian);
  self->state.random.seed(cfg.seed);
  return {
      [self](const admin_request& request) { return serve(self, request); },
      [self](const retry_change& retry) { send_change(self, retry.change_id); },
  };
}

} // namespace troupe
