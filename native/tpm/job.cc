#include "tpm/job.h"

namespace attestd {

void Ticket::reject(const std::shared_ptr<Ticket>& ticket, Fault fault) {
  ticket->channel->post([ticket, fault = std::move(fault)](Napi::Env env) {
    ticket->channel->end(env);
    ticket->deferred.Reject(fault.toJs(env, ticket->command));
  });
}

bool Job::execute(std::shared_ptr<Job> job, std::unique_ptr<Esys>& esys) {
  const auto ticket = job->ticket;
  try {
    auto answer = std::make_shared<Answer>(job->run(esys));
    if (!ticket->claim()) return false;
    ticket->channel->post([ticket, answer, convert = job->convert](Napi::Env env) {
      ticket->channel->end(env);
      try {
        ticket->deferred.Resolve(convert(env, *answer));
      } catch (const Napi::Error& e) {
        ticket->deferred.Reject(e.Value());
      }
    });
    return true;
  } catch (const FaultException& e) {
    Fault fault = e.fault;
    if (job->opens) {
      fault.code = "TPM_UNAVAILABLE";
      fault.reason = "open";
    }
    if (ticket->claim()) Ticket::reject(ticket, std::move(fault));
    return false;
  }
}

}  // namespace attestd
