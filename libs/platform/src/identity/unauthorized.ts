import { errors } from 'jose';
import { Problem } from '../http/problems';
import type { ProblemCode } from '../http/problems';

type RefusalCode = ProblemCode & ('authentication-required' | 'invalid-token' | 'token-expired');

/** For whoever runs the server as much as for its users: where an issuer signs, they know where theirs come from. */
const HOW =
  'Send "Authorization: Bearer <token>"; "npx genledger token --user <uuid> --role user" prints one, ' +
  'unless an issuer of your own signs them.';

/** A 401 with the challenge that RFC 6750 §3 asks for, that says why in a sentence and how to get in. */
export function unauthorized(code: RefusalCode, why: string, cause?: unknown): Problem {
  const error = code === 'authentication-required' ? '' : ', error="invalid_token"';
  return new Problem(code, `${why}. ${HOW}`, {
    cause,
    headers: { 'www-authenticate': `Bearer realm="genledger"${error}` },
  });
}

/** What jose found wrong, as a 401. It names the claim that does not fit, and never what would. */
export function tokenRefused(error: unknown): Problem {
  if (error instanceof errors.JWTExpired)
    return unauthorized('token-expired', 'The token has expired', error);
  return unauthorized('invalid-token', fault(error), error);
}

function fault(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The claim ${error.claim} of the token is missing, or is not what this server expects`;
  if (
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  )
    return 'The token is not signed with a key that this server trusts';
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed by an algorithm that is not allowed';
  return 'This is no JSON Web Token that can be verified';
}
