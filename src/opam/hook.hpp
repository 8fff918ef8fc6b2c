#pragma once
// What git servers call when something was pushed: POST …/REPOSITORY, signed with a secret that both know. Everything
// but the signature is passed over: the branch is looked at, and what is there counts.
//
//   GitHub, Forgejo, Gitea  X-Hub-Signature-256: sha256=HEX  (HMAC-SHA-256 of the body)
//   Forgejo, Gitea, Gogs    X-Forgejo-Signature, X-Gitea-Signature, X-Gogs-Signature: HEX
//   GitLab                  X-Gitlab-Token: SECRET

#include "http/message.hpp"
#include "opam/repositories.hpp"

namespace slipway::opam {

/// A handler for the paths below `base`. Without a secret, all are refused. The repositories outlive it.
http::Handler hook_handler(std::string base, std::string secret, Repositories& repositories);

}  // namespace slipway::opam
