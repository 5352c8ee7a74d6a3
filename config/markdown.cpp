// docs/configuration.md out of the schema and the table of Kafka properties.

#include <fmt/format.h>

#include "config/kafka_properties.hpp"
#include "config/load.hpp"
#include "config/schema.hpp"

namespace troupe::config {
namespace {

constexpr std::string_view introduction = R"md(# Configuration

<!-- Generated from config/schema.json; don't edit. Refresh: troupe config schema --markdown > docs/configuration.md -->

One file starts every node of a cluster, and the command line finds a cluster through the same file:
`troupe node --config cluster.json --name a`. `examples/cluster.json` is one to start from.

## The file
JSON, with `//` and `/* */` comments; trailing commas, the same name twice in an object, and files above 1 MiB are
refused. Whatever is wrong is reported in one go, a line each, with the place, the value and what is allowed:

```
$ troupe config check cluster.json
cluster.json: pipelines[0].comit.interval.ms: unknown option; did you mean commit.interval.ms?
cluster.json: pipelines[0].max_batch_size: 0 is not allowed; must be an integer from 1 to 65536 (rows)
```

`troupe config show cluster.json` prints what is in force after defaults, `--set` and `${...}`, secrets left out;
`troupe config schema` prints the JSON Schema, for editors.

## `--set`
`--set NAME=VALUE` changes or adds one option, after the file is read and before anything is checked:
`--set node.scorers=4 --set pipelines.0.topic=preds --set kafka.linger.ms=2`. Elements of an array go by their number;
the number after the last one appends. The value is read as JSON, else as a string. A secret is refused there unless it
is a `${...}`, since other users can read a command line.

## `${NAME}` and `${file:PATH}`
In any string value, the first becomes the environment variable, the second the file's content (UTF-8, at most 64 KiB)
without its last line end; a relative path is taken from the working directory. What is missing is an error that names
it. The result is one string whatever it holds, and is not expanded again. `$${` stands for `${`.

Secrets (passwords, passphrases, private keys) belong there. A file that holds one may not be readable by every user,
neither the one named in `${file:PATH}` nor a config with the secret itself in it: `chmod o-r` it. With Docker and
Kubernetes secrets give a mode such as `0440`.

## What all nodes must agree on
Options marked *cluster* below (the sections `cluster` and `pipelines`) must be the same on every node. Their
fingerprint is XXH3 (128 bits, hex) over these two sections as they are in force: defaults filled in, `--set` and
`${...}` applied, other names replaced by the real ones, keys sorted, no spaces. So comments, order and spelling make
no difference, and `kafka` and `node` have no part in it. `troupe config check` prints it. A node whose fingerprint
differs from that of the cluster it joins is refused.

## What is checked beyond the tables
- Pipeline names and consumer groups are not used twice; a pipeline does not write to a topic it reads, nor its dead
  letters to a source or to its output; the topics `troupe.CLUSTER.control`, `.lease` and `.models` are Troupe's own.
- `max_inflight_rows` is at least `max_batch_size`, `max_inflight_bytes` at least `max_row_bytes`,
  `max_uncommitted_rows` at least `max_inflight_rows`; `removal_timeout_ms` at least 4 heartbeats, `lease_timeout_ms`
  at least 3 lease intervals, `kafka_loss_timeout_ms` at least 2.
- `node.listen` beyond loopback needs `node.tls`, and `node.advertise` where it is a wildcard; `node.http` is loopback
  only.
- With `delivery: exactly_once` `commit.interval.ms` is at most 5000; the header `troupe.txn` needs it.
)md";

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string default_text(const json::value& option, bool required) {
  if (const auto* words = json::find(option, "x-default-text")) return std::string(json::string_of(*words));
  if (const auto* value = json::find(option, "default")) return fmt::format("`{}`", json::to_text(*value));
  return required ? "required" : "none";
}

bool is_required(const json::value& section, std::string_view name) {
  if (const auto* names = json::find(section, "required"))
    for (const auto& one : names->GetArray())
      if (json::string_of(one) == name) return true;
  return false;
}

std::string type_text(const json::value& option) {
  const auto* type = json::find(option, "type");
  if (type == nullptr || !type->IsArray()) return type == nullptr ? std::string() : std::string(json::string_of(*type));
  std::string text;
  for (const auto& one : type->GetArray())
    text += fmt::format("{}{}", text.empty() ? "" : " or ", json::string_of(one));
  return text;
}

std::string described(const json::value& property) {
  const auto* own = json::find(property, "description");
  if (own == nullptr) own = json::find(resolved(property), "description");
  return own == nullptr ? std::string() : std::string(json::string_of(*own));
}

void add_rows(std::string& out, const json::value& section, const std::string& prefix, std::string agree) {
  if (const auto* own = json::find(section, "x-agree")) agree = json::string_of(*own);
  for (const auto& property : section["properties"].GetObject()) {
    auto name = json::member_path(prefix, json::string_of(property.name));
    const auto& option = resolved(property.value);
    if (const auto* real = json::find(property.value, "x-alias-of")) {
      out += fmt::format("| `{}` | | | | {} | Another name for `{}`. |\n", name, agree,
                         json::member_path(prefix, json::string_of(*real)));
    } else if (json::find(option, "properties") != nullptr) {
      add_rows(out, option, name, agree);
    } else {
      out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", name, type_text(option),
                         cell(default_text(option, is_required(section, json::string_of(property.name)))),
                         cell(allowed_text(option)), agree, cell(described(property.value)));
    }
  }
}

std::string kafka_tables() {
  std::string out = "\n| property | allowed | description |\n|---|---|---|\n";
  for (const auto& property : allowed_properties())
    out += fmt::format("| `{}` | {} | {} |\n", property.name, allowed_text(property), property.description);
  out += "\nEverything else is refused; these by name, with the reason:\n\n| property | why not |\n|---|---|\n";
  for (const auto& property : refused_properties())
    out += fmt::format("| `{}` | {} |\n", property.name, property.reason);
  return out;
}

} // namespace

std::string configuration_markdown() {
  std::string out(introduction);
  for (const auto& property : schema_root()["properties"].GetObject()) {
    const auto& section = property.value;
    const auto* items = json::find(section, "items");
    out += fmt::format("\n## `{}`{}\n{}\n", json::string_of(property.name), items == nullptr ? "" : " (an array)",
                       described(section));
    const auto& body = items == nullptr ? section : *items;
    if (json::string_of(property.name) == "kafka") {
      out += kafka_tables();
      continue;
    }
    out += "\n| option | type | default | allowed | agree | description |\n|---|---|---|---|---|---|\n";
    add_rows(out, body, "", std::string(json::string_of(section["x-agree"])));
  }
  return out;
}

} // namespace troupe::config
