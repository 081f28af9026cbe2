/** The workplace of a test file, removed at its end. */
import t from 'tap';
import { Workplace } from './cli.js';

export const work = new Workplace();
t.teardown(() => work.remove());
