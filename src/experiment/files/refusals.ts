/** Descriptions of system errors. */

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is exhausted',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a component of the path is a file',
  ENAMETOOLONG: 'the path is too long',
  EIO: 'the disk reported an error',
  EFBIG: 'the file is too large for the file system',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  ESTALE: 'the network file system lost the file (stale handle)',
  ENODEV: 'the disk is not available',
};

/**
 * Errors caused by the path, so that the user must choose another one; the others are caused by the
 * state of the machine.
 */
const OF_THE_PLACE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENAMETOOLONG']);

/** Descriptions of errors caused by a full disk. */
export const NO_SPACE: readonly string[] = [REASONS.ENOSPC, REASONS.EDQUOT];

/**
 * Description of a system error; undefined for other errors. `own` overrides the descriptions of
 * codes that mean something else in a context.
 */
export function refusal(error: unknown, own: Readonly<Record<string, string>> = {}): string | undefined {
  const code = codeOf(error) ?? '';
  return own[code] ?? REASONS[code];
}

/** True if the named path itself cannot be written to, so that a retry is no use. */
export function isOfThePlace(error: unknown): boolean {
  return OF_THE_PLACE.has(codeOf(error) ?? '');
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
