<?php $p['a']="\"\\\$x"; $p["b"] = -1.5; $p['c'] = strlen("x"); // no
