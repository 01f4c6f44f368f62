import { LINK_TTL, UploadLinks } from './upload-links';

const ID = '01a1fb4d-c159-733f-b725-8bbcfa792ce3';
const OTHER_ID = '01a1fb4d-c159-733f-b725-8bbcfa792ce4';
const NOW = new Date('2026-11-20T12:00:00.000Z');
const links = new UploadLinks(Buffer.alloc(32, 1));

function parametersOf(url: string): { expires: string; signature: string } {
  const { searchParams } = new URL(url, 'http://localhost');
  return { expires: searchParams.get('expires')!, signature: searchParams.get('signature')! };
}
const later = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);

describe('UploadLinks', () => {
  it('signs an address that is valid for 15 minutes', () => {
    const { url, url_expires_at } = links.sign(ID, 'https://files.example', NOW);
    expect(url.startsWith(`https://files.example/v1/uploads/${ID}/content?expires=`)).toBe(true);
    expect(url_expires_at).toBe('2026-11-20T12:15:00.000Z');
    const { expires, signature } = parametersOf(url);
    expect(links.verify(ID, expires, signature, NOW)).toBe('valid');
    expect(links.verify(ID, expires, signature, later(LINK_TTL - 1))).toBe('valid');
    expect(links.verify(ID, expires, signature, later(LINK_TTL))).toBe('link-expired');
  });

  it('gives a path where no base is known', () => {
    expect(links.sign(ID, undefined, NOW).url.startsWith('/v1/uploads/')).toBe(true);
  });

  it('refuses another upload, another expiry, another key', () => {
    const { expires, signature } = parametersOf(links.sign(ID, '', NOW).url);
    expect(links.verify(OTHER_ID, expires, signature, NOW)).toBe('invalid-signature');
    expect(links.verify(ID, String(Number(expires) + 1), signature, NOW)).toBe('invalid-signature');
    expect(links.verify(ID, `0${expires}`, signature, NOW)).toBe('invalid-signature');
    expect(new UploadLinks(Buffer.alloc(32, 2)).verify(ID, expires, signature, NOW)).toBe(
      'invalid-signature',
    );
  });

  it('calls a forged link forged even when it has expired', () => {
    const { signature } = parametersOf(links.sign(ID, '', NOW).url);
    expect(links.verify(ID, '1', signature, NOW)).toBe('invalid-signature');
  });

  it('has one spelling of a signature', () => {
    const { expires, signature } = parametersOf(links.sign(ID, '', NOW).url);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.at(-1)!) ^ 1]!;
    expect(Buffer.from(twin, 'base64url').equals(Buffer.from(signature, 'base64url'))).toBe(true);
    expect(links.verify(ID, expires, twin, NOW)).toBe('invalid-signature');
    expect(links.verify(ID, expires, `${signature}=`, NOW)).toBe('invalid-signature');
  });

  it.each([undefined, '', 'x', 'é'.repeat(43), ['a', 'b'], { a: 1 }, 7])(
    'refuses the signature %j',
    (signature) => {
      const { expires } = parametersOf(links.sign(ID, '', NOW).url);
      expect(links.verify(ID, expires, signature, NOW)).toBe('invalid-signature');
    },
  );

  it.each([undefined, '', '1e9', '-1', ' 1', '1.5', '9'.repeat(13), ['1'], 1])(
    'refuses the expiry %j',
    (expires) => {
      const { signature } = parametersOf(links.sign(ID, '', NOW).url);
      expect(links.verify(ID, expires, signature, NOW)).toBe('invalid-signature');
    },
  );
});
