/**
 * The page of a folder of runs and sweeps; apart, since no other page needs what lists are made of.
 */
import type { IndexReport } from '../document.js';
import { IndexView } from './index-view.js';
import { show } from './show.js';

show<IndexReport>(report => <IndexView report={report} />);
