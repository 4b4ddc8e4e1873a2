"""`python3 -m unittest discover -s benches/compare`: what is told of measurements, without any."""

import unittest
import xml.etree.ElementTree as xml

from driver import document, drawing, load, results, scenarios, table

FACTS = {"date": "2026-01-01", "commit": "abc", "machine": "a machine", "versions": {"nginx": "1"}, "rounds": 3, "seconds": 4, "pace": 1000, "without": ["x"]}


def measurement(proxy, scenario, number, **values):
    told = {"rate": 1000.0, "cpu_micros": 40.0, "busy": 1.0, "others": 0.0, "p50": 1.0, "p99": 2.0, "p999": 3.0, **values}
    return {"proxy": proxy, "scenario": scenario, "round": number, **told}


def some():
    measurements = [measurement("bare", "accepted", number, rate=1000.0 * (number + 1)) for number in range(3)]
    measurements += [measurement("memory", "accepted", number, rate=500.0 * (number + 1), cpu_micros=80.0) for number in range(3)]
    measurements += [measurement(proxy, "paced", 0, p99=p99) for proxy, p99 in (("bare", 1.0), ("memory", 1.2))]
    measurements.append(measurement("memory", "throttled", 0, rate=2500.0))
    memory = [{"proxy": proxy, "round": 0, "before": 5.0, "after": after} for proxy, after in (("bare", 10.0), ("memory", 30.0))]
    return results.Results(measurements, memory)


class Told(unittest.TestCase):
    def test_a_ratio_is_taken_round_by_round(self):
        self.assertEqual(some().ratios("rate", ("memory", "accepted"), ("bare", "accepted")), [0.5, 0.5, 0.5])

    def test_a_round_that_failed_counts_nowhere(self):
        failed = {"proxy": "bare", "scenario": "accepted", "round": 3, "failed": "answers {500: 1}"}
        with_failure = results.Results([*some().measurements, failed], some().memory)
        self.assertEqual(with_failure.value("bare", "accepted", "rate"), 2000.0)
        self.assertEqual(len(with_failure.failures()), 1)

    def test_an_aim_is_met_missed_or_not_measured(self):
        told = {sentence: (measured, is_met) for sentence, _, measured, is_met in results.aims(some())}
        self.assertEqual(told["rate of refusals, throttled, beside accepted ones"], (5.0, True))
        self.assertEqual(told["rate of accepted registrations, beside bare Pingora (the floor is 0.85)"], (0.5, False))
        self.assertEqual(told["CPU of an accepted registration, beside Envoy"], (None, None))

    def test_the_table_has_a_row_for_every_proxy_and_no_number_that_was_not_measured(self):
        text = table.whole(some(), FACTS)
        self.assertIn("| bare Pingora | 2,000 | 1.00 (1.00 to 1.00) | 100% |", text)
        self.assertIn("| gateway, record in memory | 1,000 | 0.50 (0.50 to 0.50) |", text)
        self.assertIn("+0.200", text)
        self.assertIn("| mutual TLS handshakes per second, beside nginx | at least 1.0 | - | not measured |", text)

    def test_a_proxy_that_waited_for_the_load_could_do_more(self):
        idle = results.Results([measurement("bare", "accepted", 0, busy=0.5)], [])
        self.assertIn("| at least 1,000 |", table.accepted(idle))

    def test_the_picture_is_xml_with_a_bar_for_every_proxy(self):
        picture = xml.fromstring(drawing.svg(some(), "a < b"))
        bars = picture.findall("{http://www.w3.org/2000/svg}rect")
        # Rate, processor time, three latencies, memory: of two.
        self.assertEqual(len(bars), 12)


class Documents(unittest.TestCase):
    def test_nothing_but_what_is_between_the_marks_is_replaced(self):
        before = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n"
        self.assertEqual(document.replaced(before, "x", "new"), "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n")

    def test_a_document_without_marks_is_refused(self):
        for text in ("", "<!-- begin x -->", "<!-- end x --> <!-- begin x -->"):
            with self.assertRaises(document.NoPlace):
                document.replaced(text, "x", "new")


class Load(unittest.TestCase):
    SAID = {
        "summary": {"total": 2.0},
        "latencyPercentiles": {"p50": 0.001, "p99": 0.002, "p99.9": 0.003},
        "statusCodeDistribution": {"201": 400},
        "errorDistribution": {"aborted due to deadline": 32},
    }

    def test_what_is_under_way_at_the_end_is_no_error(self):
        answers = load.read(self.SAID, 201)
        self.assertEqual((answers.rate, answers.p999), (200.0, 3.0))

    def test_any_other_answer_is(self):
        for said in ({"statusCodeDistribution": {"201": 400, "503": 1}}, {"errorDistribution": {"connection closed": 1}}, {"statusCodeDistribution": {}}):
            with self.assertRaises(load.Failed):
                load.read({**self.SAID, **said}, 201)

    def test_every_scenario_says_what_it_sends(self):
        for scenario in scenarios.scenarios(1000).values():
            self.assertEqual(scenario.is_paced, scenario.name == "paced")
            self.assertIn(scenario.status, (200, 201, 401, 429))


if __name__ == "__main__":
    unittest.main()
