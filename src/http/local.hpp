#pragma once
// Requests that are answered within this process, by the same handlers as everybody's: for a server that is a client of
// its own.

#include "http/client.hpp"

namespace slipway::http {

/// Whom to ask. Any status is an answer; Failure::io where there was none.
using Asking = std::function<Result<ClientResponse>(const ClientRequest&)>;

/// As if `request` had come to a server of this handler. What bodies and answers may be is as in http/client.hpp; an
/// answer that is not for a sink is held in memory.
Result<ClientResponse> ask(const Handler& handler, const ClientRequest& request);

}  // namespace slipway::http
