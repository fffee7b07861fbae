'use strict';
'require baseclass';
'require wgnetifd.statusstyle as statusstyle';

/* Rules of "Add a device" beyond those that it shares with the monitoring page. */

const RULES = [
	'.wgn-add-device .cbi-value { padding: .35em 0; display: flex; flex-wrap: wrap; gap: .25em 1em; align-items: flex-start; margin: 0; border: 0; }',
	'.wgn-dialog.wgn-add-device .cbi-value .cbi-value-title { flex: 0 0 11em; width: 11em; text-align: left; padding: .3em 0 0; margin: 0; float: none; font-weight: bold; }',
	'.wgn-add-device .cbi-value-field { flex: 1 1 20em; min-width: 0; margin: 0; width: auto; float: none; }',
	'.wgn-add-device .cbi-value-field input:not([type=radio]):not([type=checkbox]), .wgn-add-device .cbi-value-field select { width: 100%; max-width: 28em; box-sizing: border-box; }',
	'.wgn-add-device .cbi-value-description { display: block; padding: .15em 0 0; margin: 0; background: none; font-size: 90%; opacity: .8; }',
	'.wgn-add-device .cbi-value-description::before { display: none; }',
	'.wgn-add-device li { color: inherit; }',
	'.wgn-add-device .wgn-choice label { cursor: pointer; padding: .15em 0; }',
	'.wgn-add-device .wgn-choice input { margin: 0; flex: none; position: relative; top: .1em; }',
	'.wgn-add-device .wgn-choice b { overflow-wrap: anywhere; }',
	'.wgn-add-device .wgn-typed { flex: 1; } .wgn-add-device .wgn-typed input { display: block; margin-top: .25em; }',
	'.wgn-add-device details { margin: .75em 0; } .wgn-add-device summary { cursor: pointer; font-weight: bold; padding: .25em 0; }',
	'.wgn-add-device .wgn-wrong { color: #cf222e; margin-top: .25em; font-weight: bold; } [data-darkmode="true"] .wgn-add-device .wgn-wrong { color: #ff7b72; }',
	'.wgn-add-device .wgn-wrong:empty { display: none; }',
	'.wgn-add-device .alert-message { margin: .5em 0; padding-bottom: .75em; }',
	'.wgn-add-device h5 { margin: 1em 0 .25em; font-size: 1.05em; }',
	'.wgn-add-device .wgn-kept { list-style: none; margin-left: .25em; opacity: .85; } .wgn-add-device .wgn-kept li::before { content: "✓ "; }',
	'.wgn-add-device pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 90%; margin: .25em 0; max-height: 16em; overflow: auto; }',
	'.wgn-add-device .wgn-monitor { color: inherit; border-left-color: #9a6700; } .wgn-add-device .wgn-monitor[data-colour="ok"] { border-left-color: #1a7f37; background: rgba(26, 127, 55, .12); }',
	'.wgn-add-device .wgn-monitor[data-colour="bad"] { border-left-color: #cf222e; }',
	'.wgn-add-device .wgn-monitor ul { margin: .25em 0 0 1.25em; }',
	'.wgn-add-device .wgn-monitor .wgn-state { white-space: normal; }',
	'@media screen and (max-width: 767px) { .wgn-dialog.wgn-add-device .cbi-value .cbi-value-title { flex-basis: 100%; } .wgn-add-device .wgn-steps { gap: .25em 1em; } }'
];

return baseclass.extend({
	use() {
		statusstyle.use();

		if (!document.getElementById('wgnetifd-device-style'))
			document.head.appendChild(E('style', { 'id': 'wgnetifd-device-style' }, [ RULES.join('\n') ]));
	}
});
