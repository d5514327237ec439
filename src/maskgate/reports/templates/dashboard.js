"use strict";
// A page of all runs. As a file it has its data in it; from the server it asks for them again.
(() => {
{% include "dashboard-base.js" %}
{% include "dashboard-units.js" %}
{% include "dashboard-table.js" %}
{% include "dashboard-verdicts.js" %}
{% include "dashboard-curves.js" %}
{% include "dashboard-parallel.js" %}
{% include "dashboard-details.js" %}
{% include "dashboard-live.js" %}
})();
