/** Describes exhausted resources: the resource, who needed it, and its limit. */

/** Linux has one limit for threads and processes. */
const THREADS = 'no more threads or processes can be started (`ulimit -u`, or a limit of the container)';
const MEMORY = 'not enough memory (`ulimit -v`, a limit of the container, or the machine itself)';
/** V8 reserves address space instead of checking every access. */
const WEBASSEMBLY = "the kernels' memory, which reserves up to 10 GiB of address space";
const FILES = 'too many open files (`ulimit -n`)';

/** Messages of Node and V8, whose memory errors have no codes. */
const OF_MEMORY =
  /Array buffer allocation failed|could not allocate memory|Out of memory|Invalid (?:typed )?array length|WebAssembly\.Memory\(\)|Maximum memory/i;

/** Describes the exhausted resource; undefined for other errors. */
export function exhausted(error: Error): string | undefined {
  const { code = '', syscall = '', path } = error as NodeJS.ErrnoException;
  const by = path ?? syscall;
  const described = (resource: string, need: string) => `${need === '' ? '' : `${need}: `}${resource}`;
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
      return described(FILES, by);
    case 'ENOMEM':
      return described(MEMORY, by);
    case 'EAGAIN':
      // EAGAIN has another meaning for reads and writes
      return syscall.startsWith('spawn') || syscall.startsWith('fork') ? described(THREADS, by) : undefined;
    case 'ERR_WORKER_INIT_FAILED':
      return /EMFILE/.test(error.message)
        ? described(FILES, 'a worker thread')
        : described(THREADS, 'a worker thread (--threads 1 needs none)');
    case 'ERR_WORKER_OUT_OF_MEMORY':
      return described(MEMORY, 'a worker thread');
    case 'ERR_MEMORY_ALLOCATION_FAILED':
      return described(MEMORY, '');
    default:
      // the module loader has no code for it
      if (/too many open files/i.test(error.message)) return described(FILES, by);
      if (!(error instanceof RangeError && OF_MEMORY.test(error.message))) return undefined;
      return described(
        MEMORY,
        /WebAssembly/.test(error.message) ? WEBASSEMBLY : 'arrays for the data or the model',
      );
  }
}
