#include "publish/pattern.hpp"

#include "http/target.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

constexpr std::size_t placeholders_max = 16;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name_character(char c) { return is_letter(c) || c == '_' || (c >= '0' && c <= '9'); }

/// The name after the ':' at the front of `text`, which begins with a letter; empty where there is none: a port, say.
std::string_view name_after_colon(std::string_view text) {
  if (text.size() < 2 || text[0] != ':' || !is_letter(text[1])) return {};
  std::size_t end = 2;
  while (end < text.size() && is_name_character(text[end])) ++end;
  return text.substr(1, end - 1);
}

std::string_view without_slash_at_end(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

/// Calls `text` and `name` for what there is of each, in order.
template <typename Text, typename Name>
void walk(std::string_view text, const Text& on_text, const Name& on_name) {
  while (!text.empty()) {
    const auto name = name_after_colon(text);
    if (!name.empty()) {
      on_name(name);
      text.remove_prefix(name.size() + 1);
      continue;
    }
    const auto colon = std::min(text.find(':', 1), text.size());
    on_text(text.substr(0, colon));
    text.remove_prefix(colon);
  }
}

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
  if (!text.starts_with('/')) return fail(Failure::invalid, "a path begins with '/'");
  if (text.find('?') != text.npos || text.find('#') != text.npos)
    return fail(Failure::invalid, "a path has neither '?' nor '#' here; a parameter is written name=value after it");
  TRY_ASSIGN(const auto decoded, http::percent_decode(without_slash_at_end(text)));
  Pattern out;
  const auto star = decoded.find('*');
  const auto before = std::string_view(decoded).substr(0, star);
  if (star != decoded.npos) {
    out.m_has_splat = true;
    out.m_tail = decoded.substr(star + 1);
    if (out.m_tail.find('*') != std::string::npos) return fail(Failure::invalid, "a path has one '*' at most");
    if (!placeholders_in(out.m_tail).empty()) return fail(Failure::invalid, "a placeholder stands before the '*'");
  }
  walk(
      before, [&](std::string_view plain) { (out.m_parts.empty() ? out.m_head : out.m_parts.back().text) += plain; },
      [&](std::string_view name) { out.m_parts.push_back({std::string(name), {}}); });
  if (out.m_parts.size() > placeholders_max)
    return fail(Failure::invalid, fmt::format("more than {} placeholders", placeholders_max));
  for (const auto& part : out.m_parts) {
    const bool is_last = &part == &out.m_parts.back();
    if (part.text.find('/') == std::string::npos && (!is_last || out.m_has_splat))
      return fail(Failure::invalid, fmt::format("after ':{}' comes '/' before the next placeholder or '*'", part.name));
    if (std::ranges::count(out.m_parts, part.name, &Part::name) > 1 || part.name == "splat")
      return fail(Failure::invalid, fmt::format("':{}' is there twice", part.name));
  }
  return out;
}

std::optional<Captures> Pattern::match(std::string_view path) const {
  path = without_slash_at_end(path);
  const auto take = [&path](std::string_view text) {
    if (!path.starts_with(text)) return false;
    path.remove_prefix(text.size());
    return true;
  };
  Captures out;
  const bool may_lack_slash = m_has_splat && m_tail.empty();
  const auto ends_before = [&](std::string_view text) {  // /blog for /blog/*
    return may_lack_slash && text.ends_with('/') && path == text.substr(0, text.size() - 1);
  };
  if (m_parts.empty() && m_head.size() > 1 && ends_before(m_head)) return Captures{{"splat", ""}};
  if (!take(m_head)) return std::nullopt;
  for (const auto& part : m_parts) {
    // It is up to the next slash, but for what stands between it and that.
    const auto segment = path.substr(0, path.find('/'));
    const auto beside = std::string_view(part.text).substr(0, part.text.find('/'));
    if (segment.size() <= beside.size() || !segment.ends_with(beside)) return std::nullopt;
    out.push_back({part.name, std::string(segment.substr(0, segment.size() - beside.size()))});
    path.remove_prefix(segment.size() - beside.size());
    if (&part == &m_parts.back() && ends_before(part.text)) {
      out.push_back({"splat", ""});
      return out;
    }
    if (!take(part.text)) return std::nullopt;
  }
  if (!m_has_splat) return path.empty() ? std::optional(std::move(out)) : std::nullopt;
  if (!path.ends_with(m_tail)) return std::nullopt;
  out.push_back({"splat", std::string(path.substr(0, path.size() - m_tail.size()))});
  return out;
}

std::vector<std::string> Pattern::names() const {
  std::vector<std::string> out;
  for (const auto& part : m_parts) out.push_back(part.name);
  if (m_has_splat) out.emplace_back("splat");
  return out;
}

std::string Pattern::example(const Captures& captures) const {
  const auto value = [&](std::string_view name) { return std::ranges::find(captures, name, &Capture::name)->value; };
  auto out = m_head;
  for (const auto& part : m_parts) out += value(part.name) + part.text;
  if (m_has_splat) out += value("splat") + m_tail;
  return out;
}

std::string substitute(std::string_view text, const Captures& captures) {
  std::string out;
  walk(
      text, [&](std::string_view plain) { out += plain; },
      [&](std::string_view name) {
        const auto found = std::ranges::find(captures, name, &Capture::name);
        if (found == captures.end())
          out.append(":").append(name);
        else
          out += http::percent_encode_path(found->value);
      });
  return out;
}

std::vector<std::string> placeholders_in(std::string_view text) {
  std::vector<std::string> out;
  walk(text, [](std::string_view) {}, [&](std::string_view name) { out.emplace_back(name); });
  return out;
}

}  // namespace slipway::publish
