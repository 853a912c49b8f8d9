import type { PeerCertificate, TLSSocket } from 'node:tls';
import { authenticated, type UserInfo } from './user.ts';

const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';
/** Subject attribute of a user's UID (KEP-4785, asn1util.X509UID). */
const UID_OID = '1.3.6.1.4.1.57683.2';

const valuesOf = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

/**
 * The user that a verified client certificate names, as apiserver's CommonNameUserConversion has it: CN is the user, each
 * O a group. TLS has checked the chain and that the certificate is for clients; its time is looked at with every request,
 * for connections last.
 * @returns undefined when there is no certificate, or not one of the client CA
 */
export function userOfCertificate(socket: TLSSocket, now = Date.now()): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  if (!isWithinItsTime(certificate, now)) return undefined;
  const subject = certificate.subject as Readonly<Record<string, string | readonly string[] | undefined>>;
  const name = valuesOf(subject['CN']).at(-1);
  const uids = valuesOf(subject[UID_OID]);
  if (name === undefined || name === '' || uids.length > 1 || uids[0] === '') return undefined;
  return authenticated({
    name,
    uid: uids[0] ?? '',
    groups: valuesOf(subject['O']),
    extra: { [CREDENTIAL_ID]: [`X509SHA256=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`] },
  });
}

function isWithinItsTime(certificate: PeerCertificate, now: number): boolean {
  return Date.parse(certificate.valid_from) <= now && now <= Date.parse(certificate.valid_to);
}
