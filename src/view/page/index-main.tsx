/**
 * The page of a folder of runs and sweeps; separate, since other pages do not need the code of
 * lists.
 */
import type { IndexReport } from '../document.js';
import { IndexView } from './index-view.js';
import { show } from './show.js';

show<IndexReport>(report => <IndexView report={report} />);
