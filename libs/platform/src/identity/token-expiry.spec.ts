import { SignJWT } from 'jose';
import { expiryOf } from './token-expiry';
import { CLOCK_TOLERANCE_SECONDS } from './token-verifier';

const EXP = 1_800_000_000;

const token = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32));

it('is the token’s exp, in ms', async () => {
  expect(expiryOf(`Bearer ${await token({ exp: EXP })}`, EXP * 1000 - 1)).toBe(EXP * 1000);
});

it('is when the verifier stops to accept it, for a token that lives of its tolerance', async () => {
  const late = (EXP + CLOCK_TOLERANCE_SECONDS) * 1000;
  expect(expiryOf(`bearer  ${await token({ exp: EXP })}`, EXP * 1000)).toBe(late);
});

it('is undefined for what has no end', async () => {
  expect(expiryOf(`Bearer ${await token({})}`, 0)).toBeUndefined();
  expect(expiryOf('Bearer glk_0123456789', 0)).toBeUndefined();
  expect(expiryOf('', 0)).toBeUndefined();
});
