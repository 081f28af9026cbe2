/** Resources that ran out, in words: which one, what needed it, and what limits it. */

/** Linux gives out threads and processes by one limit. */
const THREADS = 'the system starts no more threads or processes (`ulimit -u`, or a limit of the container)';
const MEMORY = 'there is not enough memory (`ulimit -v`, a limit of the container, or the machine itself)';
/** V8 reserves it, so that no access needs to be checked. */
const WEBASSEMBLY = "the kernels' memory, for which up to 10 GiB of address space are reserved";
const FILES = 'there are too many open files (`ulimit -n`)';

/** By what Node and V8 say; their errors have no codes of their own for memory. */
const OF_MEMORY =
  /Array buffer allocation failed|could not allocate memory|Out of memory|Invalid (?:typed )?array length|WebAssembly\.Memory\(\)|Maximum memory/i;

/** What ran out, and what needed it; undefined where `error` is about something else. */
export function exhausted(error: Error): string | undefined {
  const { code = '', syscall = '', path } = error as NodeJS.ErrnoException;
  const by = path ?? syscall;
  const told = (resource: string, need: string) => `${need === '' ? '' : `${need}: `}${resource}`;
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
      return told(FILES, by);
    case 'ENOMEM':
      return told(MEMORY, by);
    case 'EAGAIN':
      // of reading and writing it says something else
      return syscall.startsWith('spawn') || syscall.startsWith('fork') ? told(THREADS, by) : undefined;
    case 'ERR_WORKER_INIT_FAILED':
      return /EMFILE/.test(error.message)
        ? told(FILES, 'a worker thread')
        : told(THREADS, 'a worker thread; --threads 1 needs none');
    case 'ERR_WORKER_OUT_OF_MEMORY':
      return told(MEMORY, 'a worker thread');
    case 'ERR_MEMORY_ALLOCATION_FAILED':
      return told(MEMORY, '');
    default:
      if (!(error instanceof RangeError && OF_MEMORY.test(error.message))) return undefined;
      return told(
        MEMORY,
        /WebAssembly/.test(error.message) ? WEBASSEMBLY : 'arrays for the data or the model',
      );
  }
}
