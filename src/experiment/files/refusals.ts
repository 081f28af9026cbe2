/** What the operating system refuses, in words. */

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
 * Where these are refused, another place must be named; of the others the state of the machine is
 * the cause.
 */
const OF_THE_PLACE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENAMETOOLONG']);

/** What is said where there is no room to write. */
export const NO_SPACE: readonly string[] = [REASONS.ENOSPC, REASONS.EDQUOT];

/**
 * Why `error` was thrown; undefined where the system refused nothing. `own` has the words for codes
 * that say something else there.
 */
export function refusal(error: unknown, own: Readonly<Record<string, string>> = {}): string | undefined {
  const code = codeOf(error) ?? '';
  return own[code] ?? REASONS[code];
}

/** Whether the place that was named cannot be written to, whoever tries again. */
export function isOfThePlace(error: unknown): boolean {
  return OF_THE_PLACE.has(codeOf(error) ?? '');
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
