#include "cli/render.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

namespace slipway::cli {
namespace {

using Cells = std::vector<std::string>;

void print_table(const Cells& titles, const std::vector<Cells>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& title : titles) widths.push_back(title.size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  const auto print_row = [&](const Cells& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.resize(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  print_row(titles);
  for (const auto& row : rows) print_row(row);
}

/// "2026-11-22 08:15:30": to the second, as much as people read.
std::string short_time(const Json& time) {
  auto text = time.is_string() ? time.get<std::string>().substr(0, 19) : std::string("-");
  std::ranges::replace(text, 'T', ' ');
  return text;
}

std::string size_text(const Json& bytes) { return human_size(bytes.get<std::uint64_t>()); }

void render_tags(const Json& answer) {
  std::vector<Cells> rows;
  for (const auto& tag : answer["tags"])
    rows.push_back({tag["tag"], tag["digest"], short_time(tag["updated_at"]), tag["media_type"]});
  print_table({"TAG", "DIGEST", "UPDATED (UTC)", "MEDIA TYPE"}, rows);
}

void render_history(const Json& answer) {
  std::vector<Cells> rows;
  for (const auto& move : answer["history"])
    rows.push_back({short_time(move["at"]), move["tag"], move["event"], move["who"],
                    move["digest"].is_null() ? "(deleted)" : move["digest"].get<std::string>()});
  if (rows.empty()) {
    fmt::print("(no moves are known)\n");
    return;
  }
  print_table({"WHEN (UTC)", "TAG", "EVENT", "WHO", "POINTED AT"}, rows);
}

void render_move(const Json& answer) {
  const auto channel = answer["repository"].get<std::string>() + "@" + answer["channel"].get<std::string>();
  const auto digest = answer["digest"].get<std::string>();
  if (!answer["moved"].get<bool>())
    fmt::print("{} is at {} already\n", channel, digest);
  else
    fmt::print("{} is at {}, before at {}\n", channel, digest,
               answer["from"].is_null() ? "nothing" : answer["from"].get<std::string>());
}

void render_doctor(const Json& answer) {
  for (const auto& check : answer["checks"])
    fmt::print("{:<5} {}: {}\n", check["state"].get<std::string>(), check["name"].get<std::string>(),
               check["message"].get<std::string>());
  const auto& lost = answer["unreachable"];
  fmt::print("      unreachable: {} blobs ({}), {} manifests ({})\n", lost["blobs"].get<std::uint64_t>(),
             size_text(lost["blob_bytes"]), lost["manifests"].get<std::uint64_t>(), size_text(lost["manifest_bytes"]));
}

void render_fields(const Json& answer) {
  for (const auto& [name, value] : answer.items()) {
    const auto text = value.is_string() ? value.get<std::string>() : value.dump();
    fmt::print("{:<15} {}\n", name, name.ends_with("_bytes") ? text + " (" + size_text(value) + ")" : text);
  }
}

}  // namespace

void render(const std::string& operation, const Json& answer) {
  if (operation == "repo/ls")
    for (const auto& name : answer["repositories"]) fmt::print("{}\n", name.get<std::string>());
  else if (operation == "tag/ls")
    render_tags(answer);
  else if (operation == "tag/history")
    render_history(answer);
  else if (operation == "promote" || operation == "rollback")
    render_move(answer);
  else if (operation == "manifest/show")
    fmt::print("{}\n", answer["content"].get<std::string>());
  else if (operation == "doctor")
    render_doctor(answer);
  else
    render_fields(answer);
  if (answer.value("more", false)) fmt::print("(more: use --last with the last name shown)\n");
}

}  // namespace slipway::cli
