/**
 * Whether a test runs all its cases, as in `npm run soak`, or as few as show each kind of fault.
 * `npm run soak -- --parts tests` runs all files that import this.
 */
export const isLong = process.env.CELLRUN_TESTS === 'long';

/** The environment of a test that runs all its cases. */
export const LONG = { CELLRUN_TESTS: 'long' } as const;
