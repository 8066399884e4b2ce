package plan

// Decide makes a plan. It fails with an *InputError if the inputs contradict each other or do not determine anything.
func Decide(in Inputs) (*Plan, error) {
	if problems := in.problems(); len(problems) > 0 {
		return nil, &InputError{Problems: problems}
	}
	p := &Plan{Inputs: in}
	p.Forecast, p.peak = forecast(in)
	var err error
	if p.capacity, err = newCapacity(in); err != nil {
		return nil, err
	}
	if p.capacity != nil {
		p.Fit = p.capacity.fit
	}
	p.Fleet = planFleet(in, p.peak, p.capacity)
	if p.Strategy, err = chooseStrategy(in, p.peak, p.capacity, p.Fleet); err != nil {
		return nil, err
	}
	p.Database = planDatabase(in, p.Fleet)
	p.Availability = predictAvailability(in, p.Fleet)
	if p.Cost, err = estimateCost(in, p.Fleet, p.Strategy); err != nil {
		return nil, err
	}
	if p.empty() {
		problems := []Sentence{newSentence("the inputs are not enough for a plan")}
		for _, n := range p.Explain().Unknown {
			problems = append(problems, n.Sentence)
		}
		return nil, &InputError{problems,
			newSentence("%s%s", clause{"%s", CommandExample}, clause{"; %s lists all inputs", CommandHelp})}
	}
	return p, nil
}

// Explain returns the sentences of the plan.
func (p *Plan) Explain() Explanation {
	var e Explanation
	e.forecast(p)
	e.capacity(p)
	e.fleet(p)
	e.strategy(p)
	e.database(p)
	e.availability(p)
	e.cost(p)
	return e
}
