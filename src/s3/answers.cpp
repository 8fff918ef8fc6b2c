#include "s3/answers.hpp"

#include <charconv>
#include <fmt/format.h>
#include <functional>
#include <pugixml.hpp>
#include <sstream>

namespace slipway::s3 {
namespace {

/// Without its name space's prefix.
std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  return name.substr(name.find(':') + 1);  // npos + 1 is 0
}

std::string text_of(const pugi::xml_node& node, std::string_view name) {
  for (const auto& child : node.children())
    if (local_name(child) == name) return child.text().get();
  return {};
}

/// The document, if its root has this name.
Result<> load(pugi::xml_document& document, std::string_view text, std::string_view root) {
  if (text.size() > answer_bytes_max) return fail(Failure::too_large, "the store's answer is too large");
  const auto parsed = document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed)
    return fail(Failure::io,
                fmt::format("the store's answer is not XML: {} at byte {}", parsed.description(), parsed.offset));
  if (local_name(document.document_element()) != root)
    return fail(Failure::io, fmt::format("the store answered <{}> where <{}> was expected",
                                         std::string_view(document.document_element().name()).substr(0, 64), root));
  return {};
}

Result<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (bad != std::errc() || end != text.data() + text.size() || text.empty())
    return fail(Failure::io, "the store's answer has '" + text.substr(0, 64) + "' for a number");
  return number;
}

/// A page of children called `name`, each made an item by `read`.
template <typename Item>
Result<Page<Item>> read_page(std::string_view text, std::string_view root, std::string_view name, const char* next,
                             const std::function<Result<Item>(const pugi::xml_node&)>& read) {
  pugi::xml_document document;
  TRY(load(document, text, root));
  const auto top = document.document_element();
  Page<Item> page;
  for (const auto& child : top.children()) {
    if (local_name(child) != name) continue;
    TRY_ASSIGN(auto item, read(child));
    page.items.push_back(std::move(item));
  }
  if (text_of(top, "IsTruncated") != "true") return page;
  page.next = text_of(top, next);
  page.next_upload = text_of(top, "NextUploadIdMarker");
  if (page.next.empty()) return fail(Failure::io, "the store's listing does not say where it goes on");
  return page;
}

std::string text_of(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "", pugi::format_raw);
  return std::move(out).str();
}

Refusal refusal_of(const pugi::xml_node& error) {
  return {text_of(error, "Code"), text_of(error, "Message"), text_of(error, "Region")};
}

}  // namespace

std::optional<Refusal> read_refusal(std::string_view text) {
  pugi::xml_document document;
  if (!load(document, text, "Error")) return std::nullopt;
  return refusal_of(document.document_element());
}

Result<Page<Object>> read_objects(std::string_view text) {
  return read_page<Object>(text, "ListBucketResult", "Contents", "NextContinuationToken",
                           [](const pugi::xml_node& node) -> Result<Object> {
                             TRY_ASSIGN(const auto size, number_of(text_of(node, "Size")));
                             return Object{text_of(node, "Key"), size};
                           });
}

Result<Page<std::string>> read_prefixes(std::string_view text) {
  return read_page<std::string>(text, "ListBucketResult", "CommonPrefixes", "NextContinuationToken",
                                [](const pugi::xml_node& node) -> Result<std::string> {
                                  auto prefix = text_of(node, "Prefix");
                                  if (prefix.empty()) return fail(Failure::io, "the store lists a prefix without one");
                                  return prefix;
                                });
}

Result<Page<Multipart>> read_multiparts(std::string_view text) {
  return read_page<Multipart>(text, "ListMultipartUploadsResult", "Upload", "NextKeyMarker",
                              [](const pugi::xml_node& node) -> Result<Multipart> {
                                return Multipart{text_of(node, "Key"), text_of(node, "UploadId")};
                              });
}

Result<Page<Part>> read_parts(std::string_view text) {
  return read_page<Part>(text, "ListPartsResult", "Part", "NextPartNumberMarker",
                         [](const pugi::xml_node& node) -> Result<Part> {
                           constexpr std::uint64_t number_max = 10'000;
                           TRY_ASSIGN(const auto number, number_of(text_of(node, "PartNumber")));
                           TRY_ASSIGN(const auto size, number_of(text_of(node, "Size")));
                           if (number < 1 || number > number_max)
                             return fail(Failure::io, "the store's answer has a part of a wrong number");
                           return Part{static_cast<int>(number), text_of(node, "ETag"), size};
                         });
}

Result<std::string> read_upload_id(std::string_view text) {
  pugi::xml_document document;
  TRY(load(document, text, "InitiateMultipartUploadResult"));
  auto id = text_of(document.document_element(), "UploadId");
  if (id.empty()) return fail(Failure::io, "the store began an upload without an id");
  return id;
}

Result<std::string> read_copied_part(std::string_view text) {
  pugi::xml_document document;
  TRY(load(document, text, "CopyPartResult"));
  auto etag = text_of(document.document_element(), "ETag");
  if (etag.empty()) return fail(Failure::io, "the store copied a part without an ETag");
  return etag;
}

Result<RoleKeys> read_role_keys(std::string_view text) {
  pugi::xml_document document;
  TRY(load(document, text, "AssumeRoleWithWebIdentityResponse"));
  const auto find = [](const pugi::xml_node& node, std::string_view name) {
    return node.find_child([&](const pugi::xml_node& child) { return local_name(child) == name; });
  };
  const auto keys = find(find(document.document_element(), "AssumeRoleWithWebIdentityResult"), "Credentials");
  RoleKeys out{text_of(keys, "AccessKeyId"), text_of(keys, "SecretAccessKey"), text_of(keys, "SessionToken"),
               text_of(keys, "Expiration")};
  if (out.access_key.empty() || out.secret_key.empty())
    return fail(Failure::io, "the security token service answered without keys");
  return out;
}

Result<std::optional<Refusal>> read_removals(std::string_view text) {
  pugi::xml_document document;
  TRY(load(document, text, "DeleteResult"));
  for (const auto& child : document.document_element().children())
    if (local_name(child) == "Error" && text_of(child, "Code") != "NoSuchKey") return refusal_of(child);
  return std::nullopt;
}

std::string completion_of(std::span<const Part> parts) {
  pugi::xml_document document;
  auto top = document.append_child("CompleteMultipartUpload");
  for (const auto& part : parts) {
    auto node = top.append_child("Part");
    node.append_child("PartNumber").text() = part.number;
    node.append_child("ETag").text() = part.etag.c_str();
  }
  return text_of(document);
}

std::string removal_of(std::span<const std::string> keys) {
  pugi::xml_document document;
  auto top = document.append_child("Delete");
  top.append_child("Quiet").text() = true;
  for (const auto& key : keys) top.append_child("Object").append_child("Key").text() = key.c_str();
  return text_of(document);
}

}  // namespace slipway::s3
