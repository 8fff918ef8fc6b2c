#include "opam/package.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

constexpr std::array<std::string_view, 3> kinds = {"md5", "sha256", "sha512"};
constexpr std::array<std::size_t, 3> hex_sizes = {32, 64, 128};

std::size_t index_of(Checksum::Kind kind) { return static_cast<std::size_t>(kind) - 1; }

constexpr std::size_t urls_max = 100;  // of one source

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// opamUrl.ml: a version control system is named by the scheme, as in git+https://…, or by the file's ending.
bool is_version_control(std::string_view field, std::string_view url) {
  if (field == "git" || field == "hg" || field == "darcs") return true;
  const auto scheme = url.substr(0, url.find("://"));
  for (const std::string_view name : {"git", "hg", "darcs", "rsync", "ssh"})
    if (scheme == name || (scheme.starts_with(name) && scheme.substr(name.size()).starts_with('+'))) return true;
  return url.substr(0, url.find('#')).ends_with(".git");
}

/// The fields that say where a source is, the common one first.
constexpr std::array<std::string_view, 7> places = {"src", "http", "archive", "git", "hg", "darcs", "local"};

Source read_source(const Item& section, std::vector<std::string>& problems) {
  Source out{.extra_name = section.section_name, .urls = {}, .checksums = {}};
  for (const auto field : places) {
    const auto found = strings_of(find_field(section.items, field));
    if (found.empty()) continue;
    out.urls.push_back(found[0]);
    out.is_archive = !is_version_control(field, found[0]);
    break;
  }
  for (auto& mirror : strings_of(find_field(section.items, "mirrors")))
    if (out.urls.size() < urls_max) out.urls.push_back(std::move(mirror));
  for (const auto& text : strings_of(find_field(section.items, "checksum"))) {
    if (auto checksum = Checksum::parse(text))
      out.checksums.push_back(std::move(*checksum));
    else
      problems.push_back("'" + printable(text) + "' is not a checksum");
  }
  return out;
}

/// The names of the packages that a formula speaks of.
void collect_names(const Value& formula, std::vector<std::string>& out) {
  switch (formula.kind) {
  case Value::Kind::string: out.push_back(formula.text); break;
  case Value::Kind::option: collect_names(formula.children[0], out); break;
  case Value::Kind::list:
  case Value::Kind::group:
  case Value::Kind::all_of:
  case Value::Kind::any_of:
    for (const auto& child : formula.children) collect_names(child, out);
    break;
  default: break;
  }
}

std::vector<std::string> names_in(const Value* formula) {
  std::vector<std::string> out;
  if (formula) collect_names(*formula, out);
  std::ranges::sort(out);
  const auto repeats = std::ranges::unique(out);
  out.erase(repeats.begin(), repeats.end());
  return out;
}

}  // namespace

std::string_view name_of(Checksum::Kind kind) { return kinds[index_of(kind)]; }

std::optional<Checksum::Kind> checksum_kind_named(std::string_view name) {
  const auto found = std::ranges::find(kinds, name);
  if (found == kinds.end()) return std::nullopt;
  return static_cast<Checksum::Kind>(found - kinds.begin() + 1);
}

std::size_t hex_size_of(Checksum::Kind kind) { return hex_sizes[index_of(kind)]; }

std::optional<Checksum> Checksum::parse(std::string_view text) {
  const auto equals = text.find('=');
  const auto kind = equals == text.npos ? Kind::md5 : checksum_kind_named(text.substr(0, equals));
  auto hex = in_small_letters(equals == text.npos ? text : text.substr(equals + 1));
  if (!kind || hex.size() != hex_size_of(*kind) || !is_hex(hex)) return std::nullopt;
  return Checksum{*kind, std::move(hex)};
}

std::string Checksum::text() const { return fmt::format("{}={}", name_of(kind), hex); }

std::string Checksum::cache_path() const {
  return fmt::format("{}/{}/{}", name_of(kind), std::string_view(hex).substr(0, 2), hex);
}

std::optional<PackageName> package_of_path(std::string_view path) {
  constexpr std::string_view begin = "packages/", end = "/opam";
  if (!path.starts_with(begin) || !path.ends_with(end) || path.size() < begin.size() + end.size()) return std::nullopt;
  const auto folder = path.substr(0, path.size() - end.size());
  const auto full = folder.substr(folder.rfind('/') + 1);
  const auto dot = full.find('.');
  if (dot == full.npos || dot == 0 || dot + 1 == full.size()) return std::nullopt;
  return PackageName{std::string(full.substr(0, dot)), std::string(full.substr(dot + 1))};
}

std::vector<std::string> strings_of(const Value* value) {
  std::vector<std::string> out;
  const auto collect = [&out](const auto& self, const Value& each) -> void {
    if (each.is(Value::Kind::string)) out.push_back(each.text);
    if (each.is(Value::Kind::option)) self(self, each.children[0]);
    if (each.is(Value::Kind::list) || each.is(Value::Kind::group))
      for (const auto& child : each.children) self(self, child);
  };
  if (value) collect(collect, *value);
  return out;
}

Package read_package(std::span<const Item> items) {
  Package out;
  if (const auto found = strings_of(find_field(items, "synopsis")); !found.empty()) out.synopsis = found[0];
  out.tags = strings_of(find_field(items, "tags"));
  out.dependencies = names_in(find_field(items, "depends"));
  out.options = names_in(find_field(items, "depopts"));
  const auto* available = find_field(items, "available");
  out.is_available = !available || !available->is(Value::Kind::boolean) || available->text == "true";
  bool has_url = false;
  for (const auto& item : items) {
    if (!item.is_section) continue;
    const bool is_own = item.name == "url" && !std::exchange(has_url, has_url || item.name == "url");
    if (is_own || (item.name == "extra-source" && item.has_section_name))
      out.sources.push_back(read_source(item, out.problems));
  }
  return out;
}

}  // namespace slipway::opam
